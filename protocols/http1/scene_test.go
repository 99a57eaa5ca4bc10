package http1

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// scene is what a client says, and what the servers answer. It is all that an
// outcome may depend on: not the pieces in which it comes, nor how those of one
// peer stand to those of another, as far as they do not answer each other.
type scene struct {
	requests  []byte
	reactions []reaction // to the requests as they reach servers, in order
	refused   byte       // a set bit is a dial that fails
	fullAt    int        // as of a fake; in pieces alone
	sticky    bool       // clients are bound to servers
	rated     bool       // bodies have a minimum rate: casbah forwards them itself
	half      bool       // the client closes its half before it goes
}

// reaction is what a server does about a request.
type reaction struct {
	text  []byte
	early bool // as soon as it has the head, else when it has all of it
	ends  ending
}

// ending is what becomes of the server's connection behind a reaction.
type ending uint8

const (
	stays ending = iota
	closes
	resets
)

// turn is a reaction as it went when every octet came on its own.
type turn struct {
	at    int  // octets of the client that had come
	said  int  // octets of the server that were of use
	waits bool // the request was not complete
	calm  bool // the exchange ended well, and all connections stayed
	ends  bool // the server's connection was still there to be ended
}

// stage is one play of a scene.
type stage struct {
	*fake
	scene *scene
	site  *site
	conn  *Conn

	turns []turn // as they went with every octet on its own
	whole bool   // the last request was complete then
	fed   int    // octets of the client that have come
	dials int    // that were answered
	ended []end  // peers that have ended, and the core is not told yet

	seen    int      // requests that have reached a server
	leg     *fakeLeg // where the last of them did
	records int      // that there were then
	said    int      // octets of the reaction to it
	reacted bool     // that is over
}

// end is the end of what a peer says.
type end struct {
	leg *fakeLeg
	err error
}

func (sc *scene) open(tb testing.TB) *stage {
	tb.Helper()
	var steps []persistence.Step
	if sc.sticky {
		steps = []persistence.Step{{By: persistence.SourceIP}, {By: persistence.Cookie, Name: "UserContext"}}
	}
	s := newSite(tb, steps...)
	s.vip.HeadBytes = 2 << 10
	for _, p := range s.vip.Profiles {
		if sc.rated {
			p.MinBodyRate = 100
		}
	}
	st := &stage{fake: s.open(tb), scene: sc, site: s}
	st.conn, _ = st.core.(*Conn)
	st.manual = true
	st.refuse = func(*balance.Endpoint) bool { return sc.refused>>(st.dials%8)&1 != 0 }
	return st
}

// dial answers the next dial, if one waits for that.
func (st *stage) dial() bool {
	if st.dials == len(st.log) {
		return false
	}
	l := st.log[st.dials]
	st.call(func() { st.dialed(l) })
	st.dials++
	st.settle()
	return true
}

// feed is n octets of the client.
func (st *stage) feed(n int) {
	if n > 0 {
		st.fed += n
		st.fromClient(string(st.scene.requests[st.fed-n : st.fed]))
		st.settle()
	}
}

// react goes on with the reaction t that is due: n octets of it, or its end.
func (st *stage) react(n int, t *turn) {
	if n = min(n, t.said-st.said); n > 0 {
		st.said += n
		st.recv(st.leg, string(st.scene.reactions[st.seen-1].text[st.said-n:st.said]))
	} else {
		st.reacted = true
		if t.ends {
			e := end{leg: st.leg}
			if st.scene.reactions[st.seen-1].ends == resets {
				e.err = errReset
			}
			st.ended = append(st.ended, e)
		}
	}
	st.settle()
}

// drainOne empties one of the legs that are full, if one is.
func (st *stage) drainOne() bool {
	for id := range engine.Leg(8) {
		if l := st.legs[id]; l != nil && st.fullAt > 0 && l.queued > st.fullAt && !l.closed {
			st.drain(l)
			st.settle()
			return true
		}
	}
	return false
}

// settle tells the core of peers that have ended, behind all that they said, and
// takes note of a request that has reached a server.
func (st *stage) settle() {
	for i := 0; i < len(st.ended); {
		if e := st.ended[i]; !e.leg.held {
			st.ended = slices.Delete(st.ended, i, i+1)
			st.end(e.leg, e.err)
			i = 0 // it may have been what held another one
			continue
		}
		i++
	}
	x := st.conn.x
	if x == nil || x.up == nil || x.sent == 0 {
		return
	}
	if l := st.legs[x.up.leg]; l != st.leg || len(st.site.records) != st.records {
		st.seen++
		st.leg, st.records, st.said, st.reacted = l, len(st.site.records), 0, false
	}
}

// asking reports whether the last request that reached a server is open.
func (st *stage) asking() bool { return len(st.site.records) == st.records && st.conn.x != nil }

// complete reports whether the open request is, if one is open.
func (st *stage) complete() bool { return st.conn.x == nil || st.conn.x.request.done }

// reaction returns what the server of the last request does about it.
func (st *stage) reaction() reaction {
	if st.seen > len(st.scene.reactions) {
		return reaction{}
	}
	return st.scene.reactions[st.seen-1]
}

// due reports whether a server has what it waits for.
func (st *stage) due() bool {
	return st.seen > 0 && !st.reacted && (st.reaction().early || st.complete())
}

// byOctets plays the scene octet by octet. Each server reacts as soon as it may,
// and meanwhile nobody else says anything.
func (sc *scene) byOctets(tb testing.TB) *stage {
	tb.Helper()
	st := sc.open(tb)
	for {
		for st.dial() {
		}
		switch {
		case st.due():
			st.turns = append(st.turns, st.wholeTurn())
		case st.fed < len(sc.requests) && !st.client().closed:
			st.feed(1)
		default:
			st.whole = st.complete()
			return st
		}
	}
}

// wholeTurn plays the reaction that is due.
func (st *stage) wholeTurn() turn {
	r, leg, seen, records := st.reaction(), st.leg, st.seen, st.records
	t := turn{at: st.fed, waits: !st.complete()}
	for t.said < len(r.text) && st.asking() && !leg.closed {
		t.said++
		st.react(1, &t)
	}
	t.ends = r.ends != stays && !leg.closed
	t.calm = !t.ends && !leg.closed && !st.client().closed &&
		len(st.site.records) > records && st.site.records[records].End == route.EndDone
	if st.seen == seen {
		st.react(0, &t)
	}
	return t
}

// inPieces plays the scene as pieces say, which are pairs of what comes next and
// how much of it, and then the rest at once. First is the play by octets.
func (sc *scene) inPieces(tb testing.TB, first *stage, pieces []byte) *stage {
	tb.Helper()
	st := sc.open(tb)
	st.turns, st.whole, st.fullAt = first.turns, first.whole, sc.fullAt
	for ; len(pieces) >= 2 && !st.client().closed; pieces = pieces[2:] {
		n := int(pieces[1]) + 1
		switch pieces[0] % 8 {
		case 0, 1, 2:
			st.feed(min(n, st.limit()-st.fed))
		case 3, 4:
			if t := st.turn(); t != nil {
				st.react(n, t)
			}
		case 5:
			st.drainOne()
		case 6:
			st.dial()
		default:
			if n%2 == 0 {
				st.tick(engine.Deadline)
			} else {
				st.leaveEarly()
			}
		}
	}
	st.rest()
	return st
}

// turn returns the reaction that is due, as it went before; nil if none is.
func (st *stage) turn() *turn {
	if st.due() && st.seen <= len(st.turns) {
		return &st.turns[st.seen-1]
	}
	return nil
}

// barrier returns the next turn that the client must not overtake: its octets
// would change what the server's action comes to. Nil is none.
func (st *stage) barrier() *turn {
	for i := max(st.seen-1, 0); i < len(st.turns); i++ {
		t, now := &st.turns[i], i == st.seen-1
		switch answered := now && (!st.asking() || st.conn.x.status != 0); {
		case now && st.reacted && len(st.ended) == 0: // it is over
		case t.waits && t.calm && answered && !t.ends: // its end makes no difference
		case t.waits, t.ends:
			return t
		}
	}
	return nil
}

// limit returns how many octets of the client may have come by now.
func (st *stage) limit() int {
	if t := st.barrier(); t != nil {
		return max(t.at, st.fed)
	}
	return len(st.scene.requests)
}

// leaveEarly has the client close its half behind its last request, whose answer
// may be on its way.
func (st *stage) leaveEarly() {
	if l := st.client(); st.scene.half && st.whole && !l.eof && st.fed == len(st.scene.requests) && st.barrier() == nil {
		st.ended = append(st.ended, end{leg: l})
		st.settle()
	}
}

// rest plays all that is left, but for the end of the client.
func (st *stage) rest() {
	for again := true; again; {
		again = st.dial() || st.drainOne()
		if t := st.turn(); t != nil {
			st.react(len(st.reaction().text), t)
			again = true
		}
		if n := st.limit() - st.fed; n > 0 && !st.client().closed {
			st.feed(n)
			again = true
		}
	}
}

// leave is the end of the client, and of the play.
func (st *stage) leave() *outcome {
	l := st.client()
	if st.scene.half && !l.eof && !l.closed {
		st.ended = append(st.ended, end{leg: l})
		st.settle()
		st.rest()
	}
	hangs := !l.closed
	if hangs {
		st.end(l, errReset)
	}
	return newOutcome(st, hangs)
}

// outcome is what came of a scene.
type outcome struct {
	text string     // of all but what servers were sent
	legs []*fakeLeg // to servers
}

// newOutcome tells what came of st. It hangs if only a reset of the client's
// ended it.
func newOutcome(st *stage, hangs bool) *outcome {
	var b bytes.Buffer
	fmt.Fprintf(&b, "client: %s, hangs %v, sent %q\n", st.client().fate(), hangs, st.client().sent)
	for _, l := range st.log {
		fmt.Fprintf(&b, "%s: %s\n", l.endpoint.Name, l.fate())
	}
	for _, r := range st.site.records {
		fmt.Fprintf(&b, "%q %q at %s (%s): %d, %v, out %d, attempts %d, pinned %v\n",
			r.Method, r.Path, r.Server, r.Why, r.Status, r.End, r.Out, r.Attempts, r.Pinned)
	}
	return &outcome{b.String(), st.log}
}

// fate says how a leg was closed.
func (l *fakeLeg) fate() string {
	if !l.closed {
		return fmt.Sprintf("open, gone %v, half %v", l.gone, l.half)
	}
	return []string{engine.Flush: "flushed", engine.Done: "done", engine.Reset: "reset", engine.Park: "parked"}[l.how]
}

// same reports whether two plays came to the same. A connection that is reset
// loses what is on its way in any case, and may have been sent less.
func (o *outcome) same(p *outcome) bool {
	if o.text != p.text {
		return false
	}
	for i := range o.legs {
		short, long := o.legs[i].sent, p.legs[i].sent
		if len(short) > len(long) {
			short, long = long, short
		}
		if !bytes.HasPrefix(long, short) || len(short) < len(long) && o.legs[i].how != engine.Reset {
			return false
		}
	}
	return true
}

func (o *outcome) String() string {
	text := o.text
	for i, l := range o.legs {
		text += fmt.Sprintf("connection %d was sent %q\n", i+1, l.sent)
	}
	return text
}
