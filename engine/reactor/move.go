//go:build linux

package reactor

// move is the Move that runs from a leg. Its octets count as moved once they
// are queued, as if the core had sent them.
type move struct {
	to    *leg  // nil: none runs
	left  int64 // octets still to be moved; -1: all up to the end
	moved int64 // octets not reported yet
}

// take counts n octets as moved, and ends the Move if they were the last.
func (m *move) take(n int) {
	m.moved += int64(n)
	if m.left > 0 {
		m.left -= int64(n)
	}
	if m.left == 0 {
		m.to = nil
	}
}

// moveUnread moves what is unread at l.
func (l *leg) moveUnread(c *conn) {
	m := &l.move
	n := len(l.unread)
	if m.left >= 0 {
		n = int(min(int64(n), m.left))
	}
	p := l.unread[:n]
	l.unread = l.unread[n:]
	to := m.to
	m.take(n)
	if m.to == nil {
		l.offer = len(l.unread) > 0
	}
	if !to.half && to.werr == nil { // as Send: nobody takes it
		to.send(p)
	}
	c.due = true
}

// reportMove calls Moved for what was not reported yet.
func (l *leg) reportMove(c *conn) {
	if n := l.move.moved; n > 0 {
		l.move.moved = 0
		c.core.Moved(l.loop.now, l.id, n, c)
	}
}

// reportMoves reports all Moves, before a Tick or an End.
func (c *conn) reportMoves() {
	for i := 0; i < len(c.legs); i++ { // a call may add legs
		if l := c.legs[i]; l != nil {
			l.reportMove(c)
		}
	}
}
