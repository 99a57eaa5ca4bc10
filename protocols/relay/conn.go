// Package relay passes TCP on as a protocol core: a client connection is given a
// server when it opens, and the octets go to and fro as they come, unread.
//
// The server is chosen once, by the chain of the VIP's profile over the
// addresses of the connection, and over what a Reader finds in the first octets
// of the client where the VIP has one: that may tell of another profile, too.
// What the client says before its server is there waits in the socket. Then the
// driver moves the octets, and the core hears of progress, ends and time alone. A
// direction that ends is closed towards the other side while the other direction
// goes on; a reset is passed on as one. TLS on either side is the driver's, and
// makes no difference here.
package relay

import (
	"errors"
	"io"
	"net/netip"

	"casbah/engine"
	"casbah/route"
)

// Conn is the core of one client connection.
type Conn struct {
	cur     *Current
	client  netip.AddrPort
	local   netip.Addr
	session [16]byte // of TLS; zero: none
	pair    *pair    // nil before the first call, and once it is over
	tls     bool     // the client's leg is encrypted from the beginning
	over    bool
}

// New returns the core of a client connection of the VIP that cur points to. Its
// first profile serves unless a reader knows better. It takes the snapshot in force when it opens, and keeps it.
func New(cur *Current, c engine.Conn) engine.Core {
	return &Conn{cur: cur, client: c.Remote, local: c.Local.Addr(), session: c.Session, tls: c.Secure}
}

// Bytes implements engine.Core. It takes nothing of the client's: what is offered
// before the server is there belongs to the Move that begins then.
func (c *Conn) Bytes(now int64, l engine.Leg, b []byte, d engine.Driver) int {
	p := c.pair
	switch {
	case p == nil:
	case l == engine.Client && p.stage == reading:
		c.read(now, b, d)
	case l != engine.Client && l == p.server && p.stage == watching:
		return c.watch(now, b, d)
	case p.stage == talking:
		return c.hear(now, l, b, d)
	case p.stage == securing && l == p.server:
		return c.agree(now, b, d)
	}
	return 0
}

// Tick implements engine.Core. A relay that is up has no end of its own: it goes
// on while casbah drains, unless its dialogue has words for taking leave. One
// without a server does not begin any more.
func (c *Conn) Tick(now int64, why engine.Cause, d engine.Driver) {
	if c.over {
		return
	}
	opens := c.pair == nil
	if opens {
		c.pair = newPair(c, now)
	}
	switch p := c.pair; {
	case why == engine.Drain && p.stage == talking:
		p.talk.leaves = true
		c.takeLeave(now, d)
	case why == engine.Kill, why == engine.Drain && p.stage < joined:
		if !c.goodbye(now, route.EndKill, d) {
			c.finish(now, route.EndKill, engine.Reset, d)
		}
	case opens && p.stage == reading:
		p.armReader(d)
	case opens:
		d.Hold(engine.Client, true)
		c.choose(now, d)
	case why == engine.Woken:
		c.look(now, d)
		c.review(now, d)
	case why == engine.Deadline:
		c.expire(now, d)
	}
}

// choose decides for a server and dials it.
func (c *Conn) choose(now int64, d engine.Driver) {
	p := c.pair
	p.profile.Decide(now, &p.rq, &p.d)
	p.vip.Note(now, c.client, &p.rq, &p.d)
	switch {
	case p.d.Outcome == route.NoServer || p.d.Outcome == route.Held:
		p.vip.Refuse(route.CauseNoServer)
		c.apologize(now, route.EndNoServer, d)
		return
	case p.d.Outcome == route.Full || !p.d.Commit(now):
		c.queue(now, d)
		return
	}
	p.attempts++
	p.server = d.Dial(p.d.Endpoint, false)
}

// Dialed implements engine.Core. A server that cannot be reached is avoided.
func (c *Conn) Dialed(now int64, l engine.Leg, _ bool, err error, d engine.Driver) {
	p := c.pair
	switch {
	case p == nil || p.stage != dialling || l != p.server:
		// Nobody waits for it.
	case err != nil:
		p.server = engine.Client
		p.d.Avoid(now)
		c.choose(now, d)
	case p.givenUp(now):
		c.elsewhere(now, engine.Reset, d)
	case p.vip.Speaks != nil && p.d.Endpoint.StartTLS != nil:
		c.secure(now, d)
	default:
		c.join(now, d)
	}
}

// join has the octets flow, both ways; those of the server only once the reader
// has seen what it wants to.
func (c *Conn) join(now int64, d engine.Driver) {
	p := c.pair
	p.stage = joined
	p.last, p.touched = now, now
	if p.rq.SessionSealed {
		p.d.Session(now, p.rq.SessionID)
	}
	if p.vip.Speaks != nil {
		c.converse(now, d)
		return
	}
	if p.reader != nil && p.reader.Watches(p.profile) {
		p.stage = watching
	} else {
		d.Move(p.server, engine.Client, -1)
	}
	if p.clientDone {
		d.Close(p.server, engine.Half)
	} else {
		d.Move(engine.Client, p.server, -1)
	}
	d.Hold(engine.Client, false)
	p.arm(now, d)
}

// Moved implements engine.Core.
func (c *Conn) Moved(now int64, from engine.Leg, n int64, d engine.Driver) {
	p := c.pair
	if p == nil {
		return
	}
	p.last = now
	p.passed(from, n)
	if p.talk != nil {
		c.moved(now, from, n, d)
	}
}

// End implements engine.Core.
func (c *Conn) End(now int64, l engine.Leg, err error, d engine.Driver) {
	p := c.pair
	switch {
	case p == nil:
	case l == engine.Client && err != nil:
		c.finish(now, route.EndClient, endOf(err), d)
	case l == engine.Client && p.stage == reading:
		c.cut(now, d)
	case l == engine.Client && p.reader != nil && p.stage < joined:
		c.finish(now, route.EndClient, engine.Flush, d)
	case l == engine.Client:
		p.clientDone = true
		c.shut(now, p.server, p.serverDone, d)
	case l != p.server:
	case p.stage == securing:
		c.elsewhere(now, engine.Reset, d)
	case err != nil:
		if p.out == 0 && !p.clientDone { // it took the connection and did not serve it
			p.d.Avoid(now)
		}
		c.finish(now, route.EndServer, endOf(err), d)
	default:
		p.serverDone = true
		if c.rest(d); p.awaited() { // what the client waits for will not come
			c.finish(now, route.EndServer, engine.Flush, d)
			return
		}
		c.shut(now, engine.Client, p.clientDone, d)
	}
}

// endOf returns how an error of one side is passed on. A FIN without the word of
// TLS for an end is how many clients and servers take leave: what they sent before
// reaches the other side, which a reset could outrun.
func endOf(err error) engine.How {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return engine.Flush
	}
	return engine.Reset
}

// shut passes the end of one direction on to the leg to; both says that the
// other direction has ended before.
func (c *Conn) shut(now int64, to engine.Leg, both bool, d engine.Driver) {
	switch {
	case both:
		c.finish(now, route.EndDone, engine.Flush, d)
	case c.pair.stage >= joined: // else the server is told when it is there
		d.Close(to, engine.Half)
	}
}

// Abandon gives back what the connection holds of servers; see engine.Abandon.
func (c *Conn) Abandon() {
	p := c.pair
	c.pair, c.over = nil, true
	if p != nil { // and is not pooled: who knows what it is
		p.d.Release(max(p.last, p.began))
	}
}

// finish ends both legs, counts the connection and gives its state back.
func (c *Conn) finish(now int64, end route.End, how engine.How, d engine.Driver) {
	p := c.pair
	p.record(now, end, c.client)
	p.d.Release(now)
	if p.server != engine.Client {
		d.Close(p.server, how)
	}
	d.Close(engine.Client, how)
	c.pair, c.over = nil, true
	p.release()
}
