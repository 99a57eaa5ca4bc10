//go:build linux

package reactor

import (
	"casbah/balance"
	"casbah/engine"
	"casbah/engine/bounds"
)

// shelf holds the connections that are parked for one endpoint, the last one
// first. Each stays registered: whatever its peer does is an event, and drops it.
type shelf struct {
	first *leg
	n     int
}

// settleParks parks the legs that this turn closed by Park, now that the core
// has let go of their octets.
func (c *conn) settleParks() {
	c.parks = false
	for l := c.closed; l != nil; {
		next := l.next
		if l.parking {
			l.parking = false
			if !c.loop.park(l) {
				l.finish(engine.Flush)
			}
		}
		l = next
	}
}

// park puts l, which its core has closed, on the shelf of its endpoint, unless
// anything is open on it.
func (lp *loop) park(l *leg) bool {
	if l.tls != nil && !l.tls.bio.Spent() {
		return false // what crypto/tls holds would be the answer to another request
	}
	clean := len(l.unread) == 0 && l.quiet() && l.up && l.dial == noDial && !l.half && !l.eof && !l.hup &&
		l.werr == nil && l.endpoint != nil && !lp.draining
	if !clean {
		return false
	}
	if l.endpoint.Personal() || l.tied != 0 || l.tls != nil && l.endpoint.TLS == nil {
		return false // it belongs to its client; TLS that began later is of its session
	}
	if l.hot && !silent(int(l.fd)) {
		return false
	}
	s := lp.shelves[l.endpoint]
	if s == nil {
		s = new(shelf)
		lp.shelves[l.endpoint] = s
	}
	if s.n >= bounds.Parked {
		return false
	}
	c := l.conn
	c.dropClosed(l)
	c.open--
	l.unmute()
	l.conn, l.hot = nil, false
	lp.buffers.put(l.in)
	l.in, l.unread, l.move = nil, nil, move{}
	l.until = lp.now + int64(bounds.ParkTime)
	l.next, s.first = s.first, l
	s.n++
	lp.parked++
	return true
}

// take returns the connection that was parked last for e, or nil. Those that
// the peer has written to or closed are dropped: its octets would be taken for
// the answer to another request.
func (lp *loop) take(e *balance.Endpoint) *leg {
	s := lp.shelves[e]
	if s == nil {
		return nil
	}
	for s.first != nil {
		l := s.first
		s.first, l.next = l.next, nil
		s.n--
		lp.parked--
		l.until = 0
		if !l.hot && !l.hup && silent(int(l.fd)) {
			return l
		}
		l.shut()
	}
	return nil
}

// dropParked closes a parked connection whose peer has done something.
func (lp *loop) dropParked(l *leg) {
	s := lp.shelves[l.endpoint]
	for at := &s.first; *at != nil; at = &(*at).next {
		if *at == l {
			*at = l.next
			l.next = nil
			s.n--
			lp.parked--
			break
		}
	}
	l.shut()
}

// expireParked closes what has been parked for too long, which is the end of
// each shelf, and forgets empty shelves.
func (lp *loop) expireParked(now int64) {
	for e, s := range lp.shelves {
		at := &s.first
		for *at != nil && (*at).until > now {
			at = &(*at).next
		}
		lp.clear(s, at)
		if s.n == 0 {
			delete(lp.shelves, e)
		}
	}
}

// clear closes the connections of s from at on.
func (lp *loop) clear(s *shelf, at **leg) {
	for l := *at; l != nil; {
		next := l.next
		l.next = nil
		s.n--
		lp.parked--
		l.shut()
		l = next
	}
	*at = nil
}

// shutParked closes all that is parked.
func (lp *loop) shutParked() {
	for _, s := range lp.shelves {
		lp.clear(s, &s.first)
	}
	clear(lp.shelves)
}
