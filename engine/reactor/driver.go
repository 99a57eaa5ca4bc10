//go:build linux

package reactor

import (
	"casbah/balance"
	"casbah/engine"
	"casbah/engine/bounds"
)

// leg returns the leg of that number, or nil if there is none.
func (c *conn) leg(id engine.Leg) *leg {
	if int(id) >= len(c.legs) {
		return nil
	}
	return c.legs[id]
}

// Send implements engine.Driver.
func (c *conn) Send(to engine.Leg, p []byte) (full bool) {
	l := c.leg(to)
	if l == nil || l.half || l.werr != nil {
		return false
	}
	if len(p) > 0 {
		l.send(p)
	}
	l.full = l.full || l.queued() > bounds.Full
	return l.full
}

// Hold implements engine.Driver.
func (c *conn) Hold(from engine.Leg, on bool) {
	l := c.leg(from)
	if l == nil || l.held == on {
		return
	}
	l.held = on
	if !on {
		l.offer = true
		c.due = true
		l.resume()
	}
}

// Move implements engine.Driver.
func (c *conn) Move(from, to engine.Leg, n int64) {
	f, t := c.leg(from), c.leg(to)
	if f == nil || t == nil || n == 0 {
		return
	}
	f.move = move{to: t, left: n}
	c.due = true
	f.resume()
}

// Dial implements engine.Driver.
func (c *conn) Dial(e *balance.Endpoint, reuse bool) engine.Leg {
	id, legs := engine.FreeLeg(c.legs)
	c.legs = legs
	c.due = true
	if reuse && !e.Personal() { // else it belongs to another client
		if l := c.loop.take(e); l != nil {
			c.adopt(l, id)
			return id
		}
	}
	l := c.newLeg(id, -1)
	l.endpoint = e
	l.startDial()
	return id
}

// adopt makes the parked l leg id of c.
func (c *conn) adopt(l *leg, id engine.Leg) {
	l.conn, l.id = c, id
	l.reused = true
	l.gone, l.held, l.half, l.full = false, false, false, false
	l.dial = dialDone
	c.legs[id] = l
	c.open++
}

// Close implements engine.Driver.
func (c *conn) Close(id engine.Leg, how engine.How) {
	l := c.leg(id)
	if l == nil {
		return
	}
	switch how {
	case engine.Half:
		if !l.half {
			l.half = true
			l.mark()
		}
	case engine.Reset:
		c.detach(l)
		l.abort()
	case engine.Park:
		c.detach(l)
		l.parking = true
		c.parks = true
	default:
		c.detach(l)
		l.finish(how)
	}
}

// Tie implements engine.Driver.
func (c *conn) Tie(id engine.Leg, owner uint64) (tied uint64) {
	l := c.leg(id)
	if l == nil {
		return 0
	}
	if tied = l.tied; tied == 0 {
		l.tied = owner
	}
	return tied
}

// Wake implements engine.Driver.
func (c *conn) Wake(at int64) { c.wake = at }

// Waker implements engine.Driver.
func (c *conn) Waker() balance.Waker { return c }

// Awaken implements balance.Waker. A loop that is closed has no connections.
func (c *conn) Awaken() { c.loop.post(c.awoken) }

// awoken is the turn of that.
func (c *conn) awoken() {
	if c.index >= 0 { // else it is over
		c.loop.guard(func() { c.tell(engine.Woken) })
	}
}
