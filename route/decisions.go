package route

import (
	"iter"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"casbah/persistence"
)

// How many decisions are kept: of those that an operator may ask about; of those
// in which keys disagreed, as they may with every request of a client; and of the
// routine ones. Of the last two only a sample is taken.
const (
	keptNotable  = 384
	keptDisputed = 128
	keptRoutine  = 256
	sampleEvery  = int64(time.Second / 50)
)

// KeptText is how many octets of method and path together are kept of a request.
const KeptText = 256

// Decisions keeps the newest decisions in memory that is taken once, somewhat
// under a megabyte. Whoever decides never waits: a cell that is being read at
// that moment is passed over.
type Decisions struct {
	notable, disputed, routine ring
}

// NewDecisions returns an empty memory of decisions.
func NewDecisions() *Decisions {
	return &Decisions{
		notable:  ring{cells: make([]cell, keptNotable)},
		disputed: ring{cells: make([]cell, keptDisputed), every: sampleEvery},
		routine:  ring{cells: make([]cell, keptRoutine), every: sampleEvery},
	}
}

// ring is the newest of one kind.
type ring struct {
	cells []cell
	every int64         // from one that is kept to the next; 0: all are
	due   atomic.Int64  // when the next one may be kept
	next  atomic.Uint64 // how many came before the next one
}

// cell holds one decision.
type cell struct {
	mu     sync.Mutex // guards the fields below; only who reads waits for it
	number uint64     // from 1; 0: empty
	kept   Kept
}

// Kept is a decision with memory of its own.
type Kept struct {
	judged
	Client  netip.AddrPort // of the connection
	Source  netip.Addr     // who counts as the client
	Relayed bool           // a connection of a tcp VIP: it has no method and path
	method  int            // octets of text
	end     int            // octets of text, of method and path together
	text    [KeptText]byte
}

// Method returns the method of the request.
func (k *Kept) Method() string { return string(k.text[:k.method]) }

// Path returns the path of the request, without the query, cut where it is long.
func (k *Kept) Path() string { return string(k.text[k.method:k.end]) }

// Note keeps the decision, unless it is a routine one among many: it is of a
// request of client, or of its connection. It does not allocate or wait.
func (v *VIP) Note(now int64, client netip.AddrPort, r *Request, d *Decision) {
	ds := v.Decisions
	if ds == nil || d.Profile.Names == nil {
		return
	}
	to := ds.ringOf(d)
	if to.every > 0 {
		due := to.due.Load()
		if now < due || !to.due.CompareAndSwap(due, now+to.every) {
			return // common case
		}
	}
	to.keep(now, client, r, d)
}

// ringOf returns where the decision belongs.
func (ds *Decisions) ringOf(d *Decision) *ring {
	switch {
	case d.routine():
		return &ds.routine
	case d.Outcome == Full, d.Outcome == Chosen && !d.aside && (d.Walk.Why == persistence.Conflict || d.Walk.Why == persistence.Strict):
		return &ds.disputed
	default:
		return &ds.notable
	}
}

// routine reports whether nobody will ask about the decision: the client is where
// it was, or has no key.
func (d *Decision) routine() bool {
	if d.Outcome != Chosen || d.aside {
		return false
	}
	return d.pinned || d.Walk.Why == persistence.Bound || d.Walk.Why == persistence.NoKey
}

// keep overwrites the oldest decision.
func (g *ring) keep(now int64, client netip.AddrPort, r *Request, d *Decision) {
	number := g.next.Add(1)
	c := &g.cells[(number-1)%uint64(len(g.cells))]
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	c.number = number
	k := &c.kept
	d.judge(now, &k.judged)
	k.Client, k.Source, k.Relayed, k.method, k.end = client, r.Source, r.Head == nil, 0, 0
	if r.Head != nil {
		k.method = copy(k.text[:min(len(k.text), 32)], r.Head.Method)
		k.end = k.method + copy(k.text[k.method:], r.Head.Path)
	}
}

// All yields the decisions that are kept, newest first. What it yields is valid
// until the next one. Decisions that come meanwhile may be missing.
func (ds *Decisions) All() iter.Seq[*Kept] {
	return func(yield func(*Kept) bool) {
		cursors := [...]cursor{ds.routine.newest(), ds.notable.newest(), ds.disputed.newest()}
		for i := range cursors {
			cursors[i].advance()
		}
		for {
			newest := &cursors[0]
			for i := range cursors {
				if c := &cursors[i]; c.ok && (!newest.ok || c.kept.At >= newest.kept.At) {
					newest = c
				}
			}
			if !newest.ok || !yield(&newest.kept) {
				return
			}
			newest.advance()
		}
	}
}

// cursor goes through a ring from its newest decision to its oldest.
type cursor struct {
	ring *ring
	left uint64 // number of the next one to be read
	last uint64 // number of the oldest
	ok   bool   // kept holds one
	kept Kept
}

func (g *ring) newest() cursor {
	n := g.next.Load()
	return cursor{ring: g, left: n, last: n - min(n, uint64(len(g.cells))) + 1}
}

// advance copies the next decision. One that was overwritten or passed over is
// not there.
func (c *cursor) advance() {
	for c.ok = false; !c.ok && c.left >= c.last && c.left > 0; c.left-- {
		from := &c.ring.cells[(c.left-1)%uint64(len(c.ring.cells))]
		from.mu.Lock()
		if c.ok = from.number == c.left; c.ok {
			c.kept = from.kept
		}
		from.mu.Unlock()
	}
}
