package http1

import (
	"time"

	"casbah/engine"
	"casbah/route"
)

// openTunnel relays a 101 and everything behind it. The client asked for a
// websocket and its profile allows one: nothing else becomes a tunnel, because
// what flows in a tunnel is not routed.
func (c *Conn) openTunnel(r *reply) {
	x, u := c.x, c.x.up
	x.status, x.tunnel, x.closes, x.serverShuts = 101, true, true, false
	r.added = x.d.Answer(c.now, time.Duration(c.now-x.sent), &r.head, r.added[:0])
	out := append(r.out[:0], r.head.Raw[:len(r.head.Raw)-len(crlf)]...)
	out = append(out, r.added...)
	r.out = append(out, crlf...)
	c.toClient(r.out)
	u.hold(c.d, false)
	c.hold(false)
	c.d.Move(engine.Client, u.leg, -1)
	c.d.Move(u.leg, engine.Client, -1)
}

// tunnelEnded ends a tunnel that both sides have closed.
func (c *Conn) tunnelEnded() {
	if c.eof && c.x.serverShuts {
		c.finish(route.EndDone)
	}
}
