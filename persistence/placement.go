package persistence

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
)

// placementLife is for how long it is remembered where a mailbox is: over a weekend
// and a holiday. Each answer tells anew.
const placementLife = 7 * 24 * time.Hour

// PlacementStep is what listings call what is known of places.
const PlacementStep = "placement"

// PlacementMark is the mark of all keys of places, of whatever pool; no step has it.
const PlacementMark uint16 = 0xf1a7

// maxHostname is the longest name of a server, in octets (RFC 1035, Section 2.3.4).
const maxHostname = 253

// Placement is what the servers of one pool have told of where mailboxes are. Since
// Exchange 2013 the server that a client comes to passes each request on to the one
// that holds the mailbox, and says so in its answer. It remembers that in the table
// of bindings, under keys of its own that no walk of a chain meets, and that only a
// server's answer of success makes. It is immutable but for its table and figures.
type Placement struct {
	prefers bool
	table   *Table
	seed    sip
	life    span
	servers []placed
	figures *PlacementFigures
}

// PlacementFigures count, for one pool. They outlive reloads.
type PlacementFigures struct {
	Told      atomic.Uint64 // answers that named the server that holds the mailbox
	Crossed   atomic.Uint64 // of them, those in which that is another than the one that took the request
	Unknown   atomic.Uint64 // of them, those in which it is no server of the pool
	Preferred atomic.Uint64 // clients that nothing bound and that were given the server of their mailbox
}

// PlacementConfig describes a Placement.
type PlacementConfig struct {
	Pool    string
	Prefers bool // who is bound to nothing is given the server of its mailbox; else it is only watched
	Table   *Table
	Secret  Secret
	Servers []PlacementServer
	Figures *PlacementFigures
}

// PlacementServer is a server of the pool, and what Exchange calls it.
type PlacementServer struct {
	ID   balance.ServerID
	Name string // by which it is known where FQDN is not set
	FQDN string // may be empty
}

// placed is a server by its names, in lower case.
type placed struct {
	id   balance.ServerID
	host string // without a domain
	full string // with it; empty: not known
}

// NewPlacement makes the placement of a pool.
func NewPlacement(cfg PlacementConfig) *Placement {
	p := &Placement{
		prefers: cfg.Prefers, table: cfg.Table, seed: newSip(cfg.Secret), life: newSpan(placementLife), figures: cfg.Figures,
	}
	p.seed.writeField([]byte(PlacementStep))
	p.seed.writeField([]byte(cfg.Pool))
	for _, s := range cfg.Servers {
		name := s.FQDN
		if name == "" {
			name = s.Name
		}
		full := string(bytes.ToLower([]byte(name)))
		host := string(hostPart([]byte(full)))
		if host == full {
			full = ""
		}
		p.servers = append(p.servers, placed{s.ID, host, full})
	}
	return p
}

// Prefers reports whether clients are given the server of their mailbox.
func (p *Placement) Prefers() bool { return p.prefers }

// hostPart returns a host name without its domain.
func hostPart(name []byte) []byte {
	host, _, _ := bytes.Cut(name, []byte("."))
	return host
}

// keyOf returns the key of what h has taken in.
func (*Placement) keyOf(h sip) Key {
	k := h.sum()
	k.hi = k.hi&^markMask | uint64(PlacementMark)
	return k
}

// read notes in w whose place is asked for: the mailbox that the request is about or,
// where it names none, who the chain takes the client for.
func (p *Placement) read(c *Chain, r *Request, w *Walk) {
	if r.Head == nil {
		return
	}
	h := p.seed
	var room [maxIdentity]byte
	if name, ok := appendMailbox(room[:0], r); ok {
		h.write(name)
		w.home = p.keyOf(h)
		return
	}
	for i := range w.Readings[:w.N] {
		if rd := &w.Readings[i]; !rd.Key.IsZero() && c.steps[rd.Step].identity {
			var octets [16]byte
			binary.LittleEndian.PutUint64(octets[:], rd.Key.lo)
			binary.LittleEndian.PutUint64(octets[8:], rd.Key.hi)
			h.write(octets[:])
			w.home, w.homeByKey = p.keyOf(h), true
			return
		}
	}
}

// Home returns the server that holds the mailbox of the request that w is of, where
// that is known and a client that nothing binds is to be given it; 0 otherwise.
func (c *Chain) Home(w *Walk) balance.ServerID {
	if p := c.placement; p != nil && p.prefers && !w.home.IsZero() {
		return p.table.get(w.at, w.home).server()
	}
	return 0
}

// Preferred counts that a client was given the server that Home returned.
func (c *Chain) Preferred() { c.placement.figures.Preferred.Add(1) }

// Place takes in what the answer of id, to the request that w is of, tells of where
// the mailbox is. It moves no binding.
func (c *Chain) Place(now int64, w *Walk, id balance.ServerID, resp *httphead.Response) {
	p := c.placement
	if p == nil {
		return
	}
	t := toldBy(resp)
	if t.back == nil {
		return
	}
	p.figures.Told.Add(1)
	home := p.server(t.back)
	if p.crossed(&t, home, id) {
		p.figures.Crossed.Add(1)
	}
	switch {
	case home == 0:
		p.figures.Unknown.Add(1)
	case resp.Status/100 == 2 && !w.anybody && !w.home.IsZero():
		life := p.life
		if w.homeByKey {
			life = min(life, c.idle) // a session's: it is not seen again
		}
		p.table.bind(&order{key: w.home, word: newWord(home, seconds(now), true, life), move: true, quiet: true, full: fullness{policy: Refuse}})
	}
}

// crossed reports whether the request had to go on from the server that took it, id,
// to another one.
func (p *Placement) crossed(t *told, home, id balance.ServerID) bool {
	switch {
	case t.front != nil:
		return !bytes.EqualFold(hostPart(t.front), hostPart(t.back))
	default:
		return home != id
	}
}

// server returns the server of the pool that has that name; 0 if none has. Where
// both names have a domain it counts.
func (p *Placement) server(name []byte) balance.ServerID {
	host := hostPart(name)
	for i := range p.servers {
		s := &p.servers[i]
		if !httphead.EqualFold(host, s.host) {
			continue
		}
		if len(host) == len(name) || s.full == "" || httphead.EqualFold(name, s.full) {
			return s.id
		}
	}
	return 0
}

// told is what an answer tells of servers.
type told struct {
	back  []byte // that holds the mailbox; nil: it does not say
	front []byte // that has taken the request; nil: likewise
}

// toldBy reads the headers of a client access service: X-CalculatedBETarget, the
// full name of the server that holds the mailbox, X-BEServer, its short one, and
// X-FEServer, the short name of the one that answers.
func toldBy(resp *httphead.Response) (t told) {
	for i := range resp.Fields {
		f := &resp.Fields[i]
		switch len(f.Name) {
		case len("x-feserver"):
			switch {
			case httphead.EqualFold(f.Name, "x-feserver"):
				t.front = hostname(f.Value)
			case t.back == nil && httphead.EqualFold(f.Name, "x-beserver"):
				t.back = hostname(f.Value)
			}
		case len("x-calculatedbetarget"):
			if httphead.EqualFold(f.Name, "x-calculatedbetarget") {
				if name := hostname(f.Value); name != nil {
					t.back = name
				}
			}
		}
	}
	return t
}

// hostname returns the first host name in a value, without a port; nil if it begins
// with none.
func hostname(value []byte) []byte {
	n := 0
	for n < len(value) && n <= maxHostname && isHostOctet(value[n]) {
		n++
	}
	name := value[:n]
	if n == 0 || n > maxHostname || n < len(value) && value[n] != ',' && value[n] != ':' && value[n] != ' ' || len(hostPart(name)) == 0 {
		return nil
	}
	return name
}

// isHostOctet reports whether names of Windows computers may have c.
func isHostOctet(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}
