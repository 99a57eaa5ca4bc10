package relay

import (
	"casbah/engine"
	"casbah/route"
)

// queue has a connection wait whose server is full.
func (c *Conn) queue(now int64, d engine.Driver) {
	c.turn(now, c.pair.d.Wait(now, d.Waker()), d)
}

// look finds out what has become of a connection that waits.
func (c *Conn) look(now int64, d engine.Driver) {
	if p := c.pair; p.stage == queueing { // else it was woken too late, or twice
		c.turn(now, p.d.Look(now), d)
	}
}

// turn goes on as t says. A connection that has a place is decided anew: the server
// may be gone by now, or the client be bound to another one.
func (c *Conn) turn(now int64, t route.Turn, d engine.Driver) {
	p := c.pair
	switch t {
	case route.Again:
		p.stage = dialling
		d.Wake(0) // the driver bounds the time of a dial
		c.choose(now, d)
	case route.Queued:
		p.stage = queueing
		d.Wake(p.d.Due())
	case route.QueueFull, route.QueueLate:
		p.vip.Refuse(t.Cause())
		c.apologize(now, route.EndFull, d)
	}
}
