package netconn

import (
	"time"

	"casbah/engine/bounds"
)

// queued returns the octets that were sent to l and have not left.
func (l *leg) queued() int {
	n := l.flying + len(l.direct)
	if l.out != nil {
		n += len(l.out.b)
	}
	if l.start != nil && l.start.later != nil {
		n += len(l.start.later.b)
	}
	return n
}

// queue takes p to be written when the turn is over.
func (l *leg) queue(c *conn, p []byte) {
	if s := l.start; s != nil { // behind the handshake
		s.later = appendTo(s.later, p)
		return
	}
	if l.direct != nil {
		l.out = appendTo(l.out, l.direct)
		l.direct = nil
	}
	l.out = appendTo(l.out, p)
	c.mark(l)
}

// queueDirect is queue without a copy: p stays where it is until it is written.
func (l *leg) queueDirect(c *conn, p []byte) {
	l.direct = p
	c.mark(l)
}

// quiet reports whether nothing is on its way to the peer of l.
func (l *leg) quiet() bool {
	return !l.writing && l.out == nil && l.direct == nil
}

// mark makes l be written when the turn is over, unless a writer is at it.
func (c *conn) mark(l *leg) {
	if l.writing || l.dirty || l.wire == nil || l.shut {
		return
	}
	l.dirty = true
	l.next = c.dirty
	c.dirty = l
}

// takeDirty makes the caller the writer of all legs that need one, and returns
// the first of them.
func (c *conn) takeDirty() *leg {
	first := c.dirty
	c.dirty = nil
	for l := first; l != nil; l = l.next {
		l.dirty = false
		l.writing = true
		l.load()
	}
	return first
}

// load puts what is queued into the writer's hands.
func (l *leg) load() {
	l.flight, l.out = l.out, nil
	l.lent, l.direct = l.direct, nil
	l.flying = len(l.lent)
	if l.flight != nil {
		l.flying = len(l.flight.b)
	}
}

// flush writes the legs of a list that takeDirty returned, without the mutex,
// and what the turns at the end of these writes made dirty. A second leg of one
// turn gets its own goroutine: a stuck peer must not keep octets from another.
func (c *conn) flush(first *leg) {
	for first != nil {
		l, rest := first, first.next
		l.next = nil
		for rest != nil {
			other := rest
			rest, other.next = other.next, nil
			if other.lent != nil { // in the buffer of this reader
				l, other = other, l
			}
			c.engine.running.Go(func() { c.flush(other) })
		}
		first = c.write(l)
	}
}

// write writes to l until nothing is queued, and returns the first of the legs
// that became dirty meanwhile.
func (c *conn) write(l *leg) *leg {
	for {
		var err error
		if l.flying > 0 {
			p := l.lent
			if l.flight != nil {
				p = l.flight.b
			}
			_, err = l.wire.Write(p)
		}
		c.mu.Lock()
		if !l.landed(c, err) {
			break
		}
		c.mu.Unlock()
	}
	if l.fin() {
		c.mu.Unlock()
		l.wire.closeWrite()
		c.mu.Lock()
	}
	return c.written(l)
}

// landed ends one write and reports whether there is more to write.
func (l *leg) landed(c *conn, err error) bool {
	putBuffer(l.flight)
	l.flight, l.lent, l.flying = nil, nil, 0
	if err != nil {
		l.writeFailed(c, err)
	}
	if l.out == nil {
		return false
	}
	l.load()
	return true
}

// fin reports whether it is time to send FIN, once.
func (l *leg) fin() bool {
	if l.finSent || l.shut || l.parking || l.start != nil || l.writeErr != nil || !l.half && !l.gone {
		return false
	}
	l.finSent = true
	return true
}

// written is the turn at the end of a write: l has no writer any more.
func (c *conn) written(l *leg) *leg {
	l.writing = false
	switch {
	case l.parking && l.writeErr == nil && !l.shut:
		_ = l.wire.sock.SetWriteDeadline(time.Time{})
		c.settlePark(l)
	case l.gone:
		c.linger(l)
	default:
		if l.start != nil {
			l.awake.Signal() // its reader waits for this
		}
		c.emptied(l)
	}
	if c.due {
		c.now = c.engine.clock()
		c.run()
	}
	dirty := c.takeDirty()
	c.unlock()
	return dirty
}

// emptied tells those who waited for the output of l to leave.
func (c *conn) emptied(l *leg) {
	if l.full {
		l.full = false
		l.drained = true
		c.due = true
	}
	for _, from := range c.legs {
		if from != nil && from.move.to == l {
			c.due = c.due || from.r < from.w
			from.resume()
		}
	}
}

// linger lets the peer of a leg that was flushed take the last octets: closing
// at once would reset the connection if unread ones came in.
func (c *conn) linger(l *leg) {
	if !l.reading || l.readOver || c.killed || !l.finSent || !l.wire.canHalfClose() {
		l.shutdown()
	} else if !l.shut {
		_ = l.wire.sock.SetReadDeadline(time.Now().Add(bounds.LingerTime))
	}
	c.release(l)
}

// writeFailed notes that nothing can be sent to l any more. What the peer sent
// before is still read; the reader reports the end, or, if it is not reading,
// this does.
func (l *leg) writeFailed(c *conn, err error) {
	l.writeErr = err
	putBuffer(l.out)
	l.out = nil
	switch {
	case l.gone:
		l.wire.sock.reset() // a FIN would say that this was all
		l.shutdown()
	case l.shakes():
		l.awake.Signal() // its reader answers StartTLS
	case l.readOver || l.waiting || !l.mayRead(): // the reader waits, or is about to
		l.failure = err
		c.due = true
	default:
		_ = l.wire.sock.SetReadDeadline(time.Now().Add(bounds.FailTime))
	}
}

// finish closes l once what was sent has left.
func (c *conn) finish(l *leg) {
	if l.wire == nil {
		l.cancelDial()
		c.release(l)
		return
	}
	if l.writeErr != nil {
		c.abort(l)
		return
	}
	if l.queued() > 0 {
		wait := bounds.FlushTime
		if l.wire.sock.flushes.Store(!c.killed); c.killed {
			wait = bounds.KillTime
		}
		_ = l.wire.sock.SetWriteDeadline(time.Now().Add(wait))
	}
	c.mark(l)
	l.resume()
}

// abort resets l: what was not sent is lost. Closing a socket does not block,
// so this may happen under the mutex.
func (c *conn) abort(l *leg) {
	if l.wire == nil {
		l.cancelDial()
		c.release(l)
		return
	}
	if !l.shut {
		l.wire.sock.reset()
	}
	l.shutdown()
	l.resume()
	c.release(l)
}

// shutdown closes the socket of l; its reader and writer then find out.
func (l *leg) shutdown() {
	if !l.shut && l.wire != nil {
		l.shut = true
		l.wire.sock.flushes.Store(false)
		l.wire.sock.close()
	}
}
