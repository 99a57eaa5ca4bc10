package http1

import (
	"math"
	"time"

	"casbah/engine"
	"casbah/route"
)

// All times of casbah are idle times: between octets, never of a whole request.
const (
	touchEvery = int64(time.Minute)      // how often an open exchange keeps its bindings alive
	rateWindow = int64(30 * time.Second) // over which the rate of a request body is measured
	halfClosed = 30 * time.Second        // idle time of a response to a client that has closed its half
	parkAfter  = int64(time.Second)      // how long an upstream connection that others may use waits for its own client
)

// never is the time of what is not going to be.
const never = math.MaxInt64

// after returns the time d behind t; never if d is not positive.
func after(t int64, d time.Duration) int64 {
	if d <= 0 {
		return never
	}
	return t + int64(d)
}

// deadline returns the earliest time at which something is due. It moves as
// octets do; the driver is told only when it comes nearer, and Tick looks again.
func (c *Conn) deadline() int64 {
	x, at := c.x, min(c.parkTime(), c.leaveTime())
	if x == nil {
		vip := c.cur.Load()
		if c.begun != 0 {
			return min(at, after(c.begun, vip.HeaderTimeout))
		}
		return min(at, after(c.idle, vip.IdleTimeout))
	}
	at = min(at, x.touched+touchEvery, c.shedTime(), after(x.last, c.patience()), x.channel.deadline(), x.d.Due())
	if c.rated() {
		at = min(at, x.window+rateWindow)
	}
	return at
}

// parkTime returns when the upstream connection is parked because its client
// does not use it, so that idle clients do not hold one each; never if that is
// not to be.
func (c *Conn) parkTime() int64 {
	u := c.free
	if u == nil || !u.parkable() || c.x != nil && c.x.up == u {
		return never
	}
	return u.idle + parkAfter
}

// patience is how long the open exchange may stand still.
func (c *Conn) patience() time.Duration {
	x := c.x
	d := x.profile.IdleTimeout
	if x.waits() {
		d = shorter(d, x.profile.ResponseTimeout)
	}
	if c.eof {
		d = shorter(d, halfClosed)
	}
	return d
}

// shorter returns the shorter of two times, where one that is not positive is
// no limit.
func shorter(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// waits reports whether the next octet must come from the server, and with it
// the response.
func (x *exchange) waits() bool {
	return x.sent != 0 && x.status == 0 && (x.request.done || x.expect || x.up.full)
}

// rated reports whether the rate of the request body is measured now: casbah
// waits for the client and for nobody else.
func (c *Conn) rated() bool {
	x := c.x
	return x.profile.MinBodyRate > 0 && x.receives() && !x.expect && !c.held
}

// restartWindow begins to measure the rate anew.
func (x *exchange) restartWindow(now int64) { x.window, x.arrived = now, 0 }

// expire does what is due.
func (c *Conn) expire() {
	if c.now >= c.parkTime() {
		c.dismiss(c.free)
	}
	if c.leave(); c.over {
		return
	}
	x := c.x
	if x == nil {
		if c.now >= c.deadline() {
			c.expireIdle()
		}
		return
	}
	if c.now >= x.touched+touchEvery {
		x.touched = c.now
		x.d.Touch(c.now)
	}
	if c.now >= c.shedTime() {
		x.shed()
	}
	switch {
	case c.now >= x.d.Due():
		c.look()
	case x.channel.abandoned(c.now):
		c.abort(route.EndPartner)
	case x.channel.waits() && c.now >= x.channel.until:
		c.awaitedInVain()
	case c.now >= after(x.last, c.patience()):
		c.expireExchange()
	case c.rated() && c.now >= x.window+rateWindow:
		octets := int64(x.profile.MinBodyRate) * ((c.now - x.window) / int64(time.Second))
		if x.arrived < octets {
			c.fail(408, route.CauseSlow, route.EndSlow)
			return
		}
		x.restartWindow(c.now)
	}
}

// expireIdle closes a connection on which nothing is asked; a head that began
// and does not end is answered.
func (c *Conn) expireIdle() {
	if c.begun == 0 {
		c.close(engine.Flush)
		return
	}
	c.x = newExchange(c.cur.Load(), c.begun)
	c.x.in = int64(c.scanned)
	c.begun = 0
	c.fail(408, route.CauseSlow, route.EndSlow)
}

// expireExchange ends an exchange in which nothing moves. A server that owes
// the response is too slow; otherwise nobody can be told anything.
func (c *Conn) expireExchange() {
	x := c.x
	switch {
	case !x.waits() || c.eof:
		c.abort(route.EndIdle)
	case x.profile.ResponseTimeout > 0 && c.now >= after(x.last, x.profile.ResponseTimeout):
		c.fail(504, route.CauseTimeout, route.EndTimeout)
	default:
		c.fail(504, route.CauseTimeout, route.EndIdle)
	}
}
