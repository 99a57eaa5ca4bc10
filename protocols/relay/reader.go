package relay

import (
	"casbah/engine"
	"casbah/route"
)

// Reader looks at the first octets of one connection, of which it changes nothing:
// at those of the client before a server is chosen, and at those of the server as
// they pass. Who makes readers pools them, apart from the state of connections
// that have none.
type Reader interface {
	// Client is offered all that the client has said so far, and again when there
	// is more, until its verdict is another than More. By then it has written into
	// rq what it knows; slices there are its own, and live until Release.
	Client(v *route.VIP, rq *route.Request, p []byte) Verdict
	// Cut tells that the client ends amid what Client waits for. The connection
	// ends, with the words of the verdict if it is a refusal.
	Cut() Verdict
	// Watches reports whether it wants to see what a server of that profile says.
	Watches(p *route.Profile) bool
	// Server is offered what the server has said since the last call, before it
	// passes on, until it reports that it has seen enough.
	Server(now int64, d *route.Decision, p []byte) (enough bool)
	// Host is what the access record tells as the host; nil: nothing.
	Host() []byte
	// Release gives the reader back. It is the last call.
	Release()
}

// Verdict is what a Reader says of a client. The zero value is More.
type Verdict struct {
	Is      Finding
	Profile *route.Profile // that serves a client which is Known; nil: the VIP's first
	Cause   route.Cause    // of a refusal, to be counted
	Words   []byte         // that a client is refused with; nil: none
}

// Finding is what a Verdict comes to.
type Finding uint8

// The findings.
const (
	More    Finding = iota // there is more to be read
	Known                  // the server can be chosen
	Refused                // the client is told the words, and gets no server
)

// read has the reader look at b, all that the client has said so far.
func (c *Conn) read(now int64, b []byte, d engine.Driver) {
	p := c.pair
	p.begun = true
	switch v := p.reader.Client(p.vip.VIP, &p.rq, b); v.Is {
	case Known:
		p.stage = dialling
		if v.Profile != nil {
			p.profile = v.Profile
		}
		d.Hold(engine.Client, true)
		d.Wake(0) // the driver bounds the time of a dial
		c.choose(now, d)
	case Refused:
		c.refuse(now, &v, d)
	case More:
	}
}

// cut ends a connection whose client has ended before its reader was done.
func (c *Conn) cut(now int64, d engine.Driver) {
	p := c.pair
	if p.begun {
		if v := p.reader.Cut(); v.Is == Refused {
			c.refuse(now, &v, d)
			return
		}
	}
	c.finish(now, route.EndClient, engine.Flush, d)
}

// refuse tells the client why it is not served.
func (c *Conn) refuse(now int64, v *Verdict, d engine.Driver) {
	d.Send(engine.Client, v.Words)
	c.pair.vip.Refuse(v.Cause)
	c.finish(now, route.EndRefused, engine.Flush, d)
}

// watch has the reader look at b, what the server has said since the last call,
// and passes it on.
func (c *Conn) watch(now int64, b []byte, d engine.Driver) (used int) {
	p := c.pair
	p.last = now
	if p.reader.Server(now, &p.d, b) {
		p.stage = joined
		d.Move(p.server, engine.Client, -1)
		return 0
	}
	d.Send(engine.Client, b)
	p.passed(p.server, int64(len(b)))
	return len(b)
}
