package http1

import (
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/route"
)

// Nothing tells a client apart from one that is about to ask again, but time.
const (
	restTime = int64(time.Second)      // how long a pair has been idle before it is closed under a firm drain
	amidTime = int64(10 * time.Second) // likewise, if its client is about to log on
)

// nothing is the order of a connection that serves nobody yet.
var nothing = new(balance.Order)

// order returns what is ordered of the service that was asked on u last.
func (u *upstream) order() *balance.Order {
	if u.service == nil {
		return nothing
	}
	return u.service.Order()
}

// leaving reports whether the server of u is to be left at the next safe moment.
func (u *upstream) leaving() bool {
	k := u.order().Kind
	return k == balance.OrderFirm || k == balance.OrderMaintenance
}

// leaves returns when u is to be closed because of what is ordered of its server;
// never without an order. A request is finished, unless it takes longer than it is
// given. Between two, a connection that is nobody's is closed at once, and that of
// a pair when it rests: its client connection ends with it, so that the client
// logs on anew, at another server. Never amid a handshake.
func (c *Conn) leaves(u *upstream) int64 {
	o := u.order()
	at := o.Closes()
	switch {
	case o.Kind == balance.NoOrder, o.Kind == balance.OrderDrain: // common case
		return never
	case c.asks(u):
		return at
	case u.amid:
		return min(at, max(o.Leaves(balance.Share(c.remote)), u.idle+amidTime))
	case u.pinned() && o.Kind == balance.OrderFirm:
		return max(o.Leaves(balance.Share(c.remote)), u.idle+restTime)
	default:
		return o.Since
	}
}

// asks reports whether the open exchange is with u, or waits to be.
func (c *Conn) asks(u *upstream) bool { return c.x != nil && (c.x.up == u || c.x.awaits == u) }

// leaveTime returns when the first of the upstream connections is to be closed.
func (c *Conn) leaveTime() int64 {
	at := int64(never)
	if c.free != nil {
		at = c.leaves(c.free)
	}
	for u := c.pins; u != nil; u = u.next {
		at = min(at, c.leaves(u))
	}
	return at
}

// leave closes the upstream connections that are due.
func (c *Conn) leave() {
	for u := c.due(); u != nil; u = c.due() {
		if c.asks(u) {
			c.abort(route.EndDrain)
			return
		}
		c.drop(u, engine.Flush)
	}
}

// due returns one that is; nil if none is.
func (c *Conn) due() *upstream {
	if c.free != nil && c.now >= c.leaves(c.free) {
		return c.free
	}
	u := c.pins
	for u != nil && c.now < c.leaves(u) {
		u = u.next
	}
	return u
}
