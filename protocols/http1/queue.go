package http1

import (
	"casbah/engine"
	"casbah/route"
)

// queue has the request wait whose server is full. Its body waits in the client's
// socket.
func (c *Conn) queue() {
	c.turn(c.x.d.Wait(c.now, c.d.Waker()))
}

// look finds out what has become of a request that waits.
func (c *Conn) look() {
	if x := c.x; x != nil && x.d.Waits() { // else it was woken too late, or twice
		c.turn(x.d.Look(c.now))
	}
}

// turn goes on as t says. A request that has a place is decided anew: the server
// may be gone by now, or the client be bound to another one.
func (c *Conn) turn(t route.Turn) {
	x := c.x
	switch t {
	case route.Again:
		u := x.awaits
		x.awaits, x.last = nil, c.now
		if u != nil {
			c.stay(u)
			return
		}
		c.choose()
	case route.Queued:
		if !x.request.done {
			c.hold(true)
		}
	case route.QueueFull, route.QueueLate:
		x.awaits = nil
		c.fail(503, t.Cause(), route.EndFull)
	}
}

// unasked closes a connection on which nothing is asked. A request that waits to
// be asked on it, and nowhere else, ends with the client connection.
func (c *Conn) unasked(u *upstream, how engine.How) {
	waits := c.x != nil && c.x.awaits == u
	c.drop(u, how)
	if waits {
		c.abort(route.EndServer)
	}
}
