package relay

import (
	"math"
	"time"

	"casbah/engine"
	"casbah/route"
)

// touchEvery is how often an open connection keeps its binding alive.
const touchEvery = int64(time.Minute)

// deadline returns the earliest time at which something is due. It moves as
// octets do; the driver is told only when it comes nearer, and Tick looks again.
func (p *pair) deadline() int64 { return min(p.touched+touchEvery, p.idleUntil()) }

// idleUntil returns when the connection has been idle for too long; never if its
// profile sets no time.
func (p *pair) idleUntil() int64 {
	if p.profile.IdleTimeout <= 0 {
		return math.MaxInt64
	}
	return p.last + int64(p.profile.IdleTimeout)
}

// arm sets the deadline.
func (p *pair) arm(d engine.Driver) {
	if at := p.deadline(); p.armed == 0 || at < p.armed {
		p.armed = at
		d.Wake(at)
	}
}

// expire does what is due. Whoever ends an idle connection resets it: a FIN would
// say that the other side has ended.
func (c *Conn) expire(now int64, d engine.Driver) {
	p := c.pair
	p.armed = 0
	switch {
	case !p.joined:
		return // the driver bounds the time of a dial
	case now >= p.idleUntil():
		c.finish(now, route.EndIdle, engine.Reset, d)
		return
	case now >= p.touched+touchEvery:
		p.touched = now
		p.d.Touch(now)
	}
	p.arm(d)
}
