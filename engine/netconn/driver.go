package netconn

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
	if l == nil || l.half || l.writeErr != nil {
		return false
	}
	if len(p) > 0 {
		l.queue(c, p)
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
		if l := c.engine.parked.take(e, c); l != nil {
			c.adopt(l, id)
			l.dial = dialDone
			return id
		}
	}
	l := c.newLeg(id)
	l.endpoint = e
	c.startDial(l)
	return id
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
			c.mark(l)
		}
	case engine.Reset:
		c.detach(l)
		c.abort(l)
	case engine.Park:
		c.detach(l)
		l.parking = true
		c.parks = true
	default:
		c.detach(l)
		c.finish(l)
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
func (c *conn) Wake(at int64) { c.alarm.wake = at }

// Waker implements engine.Driver.
func (c *conn) Waker() balance.Waker { return c }

// Awaken implements balance.Waker. Whoever calls it may hold the mutex of another
// connection, which may be waking that one: so neither waits for the other.
func (c *conn) Awaken() { c.engine.whileOpen(c, c.awoken) }

// awoken is the turn of that.
func (c *conn) awoken() {
	c.mu.Lock()
	c.now = c.engine.clock()
	if !c.over {
		c.ticks[engine.Woken], c.due = true, true
	}
	c.leave()
}
