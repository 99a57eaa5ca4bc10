package netconn

import "casbah/engine/bounds"

// move is the Move that runs from a leg. Its octets pass through the buffer of
// the reader, which writes them itself while nothing else is on its way to the
// target; so a slow target stops the reader. They count as moved once they are
// queued, as if the core had sent them.
type move struct {
	to    *leg  // nil: none runs
	left  int64 // octets still to be moved; -1: all up to the end
	moved int64 // octets not reported yet
}

// readSize returns how much one read should take. A read ends with the Move, so
// that it can be written whole.
func (m *move) readSize() int {
	switch {
	case m.to == nil:
		return small
	case m.left < 0:
		return large
	default:
		return int(min(m.left, large))
	}
}

// long reports whether the kernel should move the octets, where it can.
func (m *move) long() bool { return m.to != nil && (m.left < 0 || m.left >= bounds.SpliceLeast) }

// moveUnread moves what is unread at l.
func (l *leg) moveUnread(c *conn) {
	m := &l.move
	n := l.w - l.r
	if m.left >= 0 {
		n = int(min(int64(n), m.left))
		m.left -= int64(n)
	}
	p := l.buf.b[l.r : l.r+n]
	l.r += n
	m.moved += int64(n)
	to := m.to
	if m.left == 0 {
		m.to = nil
		l.offer = l.r < l.w
	}
	switch {
	case to.half || to.writeErr != nil: // as Send: nobody takes it
	case c.reader == l && l.r == l.w && to.wire != nil && to.quiet() && to.start == nil:
		// Only the reader of l may lend its buffer, and only if it is empty
		// after that: else the next read would move what is being written.
		// BenchmarkMove: 7% less CPU than with a copy, client and server included.
		to.queueDirect(c, p)
	default:
		to.queue(c, p)
	}
}

// reportMove calls Moved for what was not reported yet.
func (l *leg) reportMove(c *conn) {
	if n := l.move.moved; n > 0 {
		l.move.moved = 0
		c.core.Moved(c.now, l.id, n, c)
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
