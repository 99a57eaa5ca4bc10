// Package bridge passes TLS on as a protocol core, without decrypting it: of what
// a client says its hello alone is read, then it is given a server, and gets what
// it says unchanged, the hello too.
//
// The hello is read in whatever pieces it comes; until it is whole it waits at the
// driver, and no server hears of the client. What is not a hello, comes too late,
// or asks for a host that the VIP does not serve is told so by an alert. The
// server is chosen once, by the chain of the VIP's profile over the addresses of
// the connection and the TLS session that the client would resume. Where a step
// knows clients by their sessions, the hello of the server is looked at as it
// passes, for the ID of the one that it gives. Then the driver moves the octets,
// as it does for a relay.
package bridge

import (
	"net/netip"

	"casbah/engine"
	"casbah/internal/hello"
	"casbah/route"
)

// Conn is the core of one client connection.
type Conn struct {
	cur    *route.Current
	client netip.AddrPort
	local  netip.Addr
	pair   *pair // nil before the first call, and once it is over
	over   bool
}

// New returns the core of a client connection of the VIP that cur points to,
// which has one profile. It takes the snapshot in force when it opens, and keeps it.
func New(cur *route.Current, c engine.Conn) engine.Core {
	return &Conn{cur: cur, client: c.Remote, local: c.Local.Addr()}
}

// Secured implements engine.Core; nothing begins TLS here.
func (c *Conn) Secured(int64, engine.Leg, int, error, engine.Driver) {}

// Drained implements engine.Core; what moves is held back by the driver.
func (c *Conn) Drained(int64, engine.Leg, engine.Driver) {}

// Tick implements engine.Core. A bridge that is up has no end of its own: it goes
// on while casbah drains. One without a server does not begin any more.
func (c *Conn) Tick(now int64, why engine.Cause, d engine.Driver) {
	if c.over {
		return
	}
	opens := c.pair == nil
	if opens {
		c.pair = newPair(c, now)
	}
	switch {
	case why == engine.Kill, why == engine.Drain && c.pair.stage < joined:
		c.finish(now, route.EndKill, engine.Reset, d)
	case opens:
		c.pair.armHello(d)
	case why == engine.Deadline:
		c.expire(now, d)
	}
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
	}
	return 0
}

// read looks for the client's hello in b, all that it has said so far.
func (c *Conn) read(now int64, b []byte, d engine.Driver) {
	var h hello.Client
	p := c.pair
	p.begun = true
	switch whole, alert := p.assembly.Client(b, &h); {
	case alert != hello.NoAlert:
		c.refuse(now, route.CauseTLS, alert, d)
		return
	case !whole:
		return
	}
	p.take(&h)
	switch {
	case p.vip.Serves(h.Name()) && (len(h.Name()) > 0 || len(p.vip.Hosts) == 0):
		p.stage = dialling
		d.Hold(engine.Client, true)
		d.Wake(0) // the driver bounds the time of a dial
		c.choose(now, d)
	case len(h.Name()) == 0 && h.Modern:
		c.refuse(now, route.CauseHost, hello.MissingExtension, d)
	default:
		c.refuse(now, route.CauseHost, hello.UnrecognizedName, d)
	}
}

// choose decides for a server and dials it.
func (c *Conn) choose(now int64, d engine.Driver) {
	p := c.pair
	p.profile.Decide(now, &p.rq, &p.d)
	p.vip.Note(now, c.client, &p.rq, &p.d)
	if p.d.Outcome != route.Chosen {
		p.vip.Refuse(route.CauseNoServer)
		c.finish(now, route.EndNoServer, engine.Reset, d)
		return
	}
	p.d.Commit(now)
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
	default:
		c.join(now, d)
	}
}

// join has the octets flow, both ways; those of the server only once it has said
// its hello, if that is asked for.
func (c *Conn) join(now int64, d engine.Driver) {
	p := c.pair
	p.last, p.touched = now, now
	p.stage = joined
	if p.profile.Chain.KnowsSessions() {
		p.stage, p.assembly = watching, hello.Assembly{}
	} else {
		d.Move(p.server, engine.Client, -1)
	}
	d.Move(engine.Client, p.server, -1)
	d.Hold(engine.Client, false)
	p.arm(d)
}

// Moved implements engine.Core.
func (c *Conn) Moved(now int64, from engine.Leg, n int64, _ engine.Driver) {
	p := c.pair
	if p == nil {
		return
	}
	p.last = now
	if from == engine.Client {
		p.in += n
		p.vip.Counters.In.Add(uint64(n))
	} else {
		p.out += n
		p.vip.Counters.Out.Add(uint64(n))
	}
}

// End implements engine.Core.
func (c *Conn) End(now int64, l engine.Leg, err error, d engine.Driver) {
	p := c.pair
	switch {
	case p == nil:
	case l == engine.Client && err != nil:
		c.finish(now, route.EndClient, engine.Reset, d)
	case l == engine.Client && p.stage == reading && p.begun:
		c.refuse(now, route.CauseTLS, hello.DecodeError, d) // the hello is cut
	case l == engine.Client && p.stage < joined:
		c.finish(now, route.EndClient, engine.Flush, d)
	case l == engine.Client:
		p.clientDone = true
		c.shut(now, p.server, p.serverDone, d)
	case l != p.server:
	case err != nil:
		if p.out == 0 && !p.clientDone { // it took the connection and did not serve it
			p.d.Avoid(now)
		}
		c.finish(now, route.EndServer, engine.Reset, d)
	default:
		p.serverDone = true
		c.shut(now, engine.Client, p.clientDone, d)
	}
}

// shut passes the end of one direction on to the leg to; both says that the
// other direction has ended before.
func (c *Conn) shut(now int64, to engine.Leg, both bool, d engine.Driver) {
	if both {
		c.finish(now, route.EndDone, engine.Flush, d)
		return
	}
	d.Close(to, engine.Half)
}

// refuse tells the client by an alert why it is not served.
func (c *Conn) refuse(now int64, cause route.Cause, alert hello.Alert, d engine.Driver) {
	record := alert.Record()
	d.Send(engine.Client, record[:])
	c.pair.vip.Refuse(cause)
	c.finish(now, route.EndRefused, engine.Flush, d)
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
