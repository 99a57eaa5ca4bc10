//go:build linux

package reactor

import (
	"net/netip"

	"casbah/engine"
)

// conn is one client connection: its core and the legs of that. It lives and
// dies on its loop.
type conn struct {
	loop   *loop
	ln     *engine.Listener
	core   engine.Core  // nil before the greeting is over, and after a panic
	greets *greeting    // what comes before the core; nil: it is over
	origin *engine.Conn // whom a PROXY header named; nil: the socket knows

	legs   []*leg     // by number; nil is free
	first  [2]*leg    // what legs begins with
	closed *leg       // closed by the core, and not gone yet
	source netip.Addr // where it counts

	wake   int64 // the core's deadline; 0: none
	tick   int64 // under which it is on the wheel; 0: it is not
	after  *conn // on the wheel
	before *conn
	index  int32 // in the list of the loop

	open     int16 // legs that are not gone
	due      bool  // something is due at a leg, or a tick
	parks    bool  // a closed leg is to be parked
	timed    bool  // a leg may have a deadline of its own
	killed   bool  // Tick(Kill) was due
	admitted bool  // counted in
	ticks    [engine.Causes]bool
}

// begin makes the core. Its first tick lets it set a deadline for a client that
// never says anything.
func (c *conn) begin(info engine.Conn) {
	c.greets = nil
	c.core = c.ln.New(info)
	c.ticks[engine.Deadline], c.due = true, true
	if c.loop.draining {
		c.ticks[engine.Drain] = true
	}
}

// tell is a turn: the core is told of why. What Kill finds open after that is
// reset.
func (c *conn) tell(why engine.Cause) {
	c.loop.at = c
	c.ticks[why], c.due = true, true
	if why == engine.Kill {
		c.killed = true
		for c.closed != nil {
			c.closed.abort()
		}
	}
	c.run()
	if why == engine.Kill {
		c.resetAll()
	}
	c.settle()
}

// run calls the core until nothing is due.
func (c *conn) run() {
	for c.due && c.core != nil {
		c.due = false
		c.runTicks()
		for i := 0; i < len(c.legs); i++ { // a call may add legs
			for l := c.legs[i]; l != nil && c.legs[i] == l && l.step(c); {
			}
		}
	}
}

// runTicks calls Tick for each cause that is due.
func (c *conn) runTicks() {
	for why, due := range c.ticks {
		if due && c.core != nil {
			c.ticks[why] = false
			c.reportMoves()
			c.core.Tick(c.loop.now, engine.Cause(why), c)
		}
	}
}

// settle ends a turn of c: what is to be parked is parked, the deadlines are
// armed, and a connection without legs is over.
func (c *conn) settle() {
	if c.parks {
		c.settleParks()
	}
	for _, l := range c.legs {
		if l != nil && l.in != nil && len(l.unread) == 0 {
			l.keep()
		}
	}
	c.loop.at = nil
	if c.open == 0 {
		c.end()
		return
	}
	c.arm()
}

// end counts c out.
func (c *conn) end() {
	if c.index < 0 {
		return
	}
	c.loop.wheel.remove(c)
	c.loop.drop(c)
	c.core, c.greets = nil, nil
}

// arm puts the earliest deadline of c on the wheel.
func (c *conn) arm() {
	at := c.wake
	if c.timed {
		c.timed = false
		for _, l := range c.legs {
			at = c.earlier(at, l)
		}
		for l := c.closed; l != nil; l = l.next {
			at = c.earlier(at, l)
		}
	}
	if at != 0 {
		c.loop.wheel.arm(c, at)
	}
}

func (c *conn) earlier(at int64, l *leg) int64 {
	if l == nil || l.until == 0 {
		return at
	}
	c.timed = true
	if at == 0 {
		return l.until
	}
	return min(at, l.until)
}

// limit sets the driver's own deadline of l.
func (l *leg) limit(at int64) {
	l.until = at
	if l.conn != nil {
		l.conn.timed = true
	}
}

// sweep is the turn of a deadline, which may not have come yet.
func (c *conn) sweep() {
	lp := c.loop
	lp.at = c
	for _, l := range c.legs {
		if l != nil && l.until != 0 && lp.now >= l.until {
			l.late()
		}
	}
	for l := c.closed; l != nil; {
		next := l.next
		if l.until != 0 && lp.now >= l.until {
			l.late()
		}
		l = next
	}
	if c.wake != 0 && lp.now >= c.wake {
		c.wake = 0
		c.ticks[engine.Deadline], c.due = true, true
	}
	c.run()
	c.keepAlive()
	c.settle()
}

// detach takes l from the core: its number is free, and nothing is reported of
// it any more.
func (c *conn) detach(l *leg) {
	c.legs[l.id] = nil
	l.next, c.closed = c.closed, l
	l.gone = true
	l.offer, l.fin, l.failure, l.drained, l.start = false, false, nil, false, noStart
	l.move = move{}
	for _, from := range c.legs {
		if from != nil && from.move.to == l {
			from.move.to = nil
			from.offer = true
			c.due = true
			from.resume()
		}
	}
}

// dropClosed removes l from the list of closed legs, or from its number.
func (c *conn) dropClosed(l *leg) {
	if int(l.id) < len(c.legs) && c.legs[l.id] == l {
		c.legs[l.id] = nil
	}
	for at := &c.closed; *at != nil; at = &(*at).next {
		if *at == l {
			*at = l.next
			l.next = nil
			return
		}
	}
}

// resetAll resets every leg that is still the core's.
func (c *conn) resetAll() {
	for _, l := range c.legs {
		if l != nil {
			c.detach(l)
			l.abort()
		}
	}
}
