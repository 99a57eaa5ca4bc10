package relay

import (
	"math"
	"time"

	"casbah/engine"
	"casbah/route"
)

// touchEvery is how often an open connection keeps its binding alive.
const touchEvery = int64(time.Minute)

// armReader sets the deadline for what the reader waits for, from the opening on;
// none if the VIP sets no time.
func (p *pair) armReader(d engine.Driver) {
	if p.vip.HeaderTimeout > 0 {
		d.Wake(p.began + int64(p.vip.HeaderTimeout))
	}
}

// idleUntil returns when the connection has been idle for too long; never if its
// profile sets no time.
func (p *pair) idleUntil() int64 {
	if p.profile.IdleTimeout <= 0 {
		return math.MaxInt64
	}
	return p.last + int64(p.profile.IdleTimeout)
}

// arm sets the deadline for what is due first. Octets that move put it off, of
// which the driver is not told: the tick looks again.
func (p *pair) arm(now int64, d engine.Driver) {
	d.Wake(min(p.touched+touchEvery, p.idleUntil(), p.leaveTime(now)))
}

// expire does what is due. An idle connection is reset: a FIN would say that the
// other side has ended. Where a dialogue has words for it, it is told so instead.
func (c *Conn) expire(now int64, d engine.Driver) {
	p := c.pair
	switch {
	case p.stage == reading:
		p.vip.Refuse(route.CauseSlow)
		c.finish(now, route.EndSlow, engine.Flush, d)
		return
	case p.stage == queueing:
		c.look(now, d)
		return
	case p.stage == dialling:
		return // the driver bounds the time of a dial
	case p.stage == securing:
		c.elsewhere(now, engine.Reset, d)
		return
	case now >= p.idleUntil():
		if !c.goodbye(now, route.EndIdle, d) {
			c.finish(now, route.EndIdle, engine.Reset, d)
		}
		return
	case now >= p.touched+touchEvery:
		p.touched = now
		p.d.Touch(now)
	}
	c.review(now, d)
}
