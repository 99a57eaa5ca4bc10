//go:build linux

package reactor

import (
	"os"

	"golang.org/x/sys/unix"

	"casbah/engine"
	"casbah/engine/bounds"
)

// directLeast is how many octets are written at once where nothing is before
// them, instead of being copied and written when the turn is over.
const directLeast = 8 << 10

// queued returns the octets that were sent to l and have not left.
func (l *leg) queued() int {
	n := 0
	if l.out != nil {
		n = l.out.w - l.out.r
	}
	if l.pipe != nil {
		n += l.pipe.n
	}
	if l.tls != nil {
		n += l.tls.queued()
	}
	return n
}

// quiet reports whether nothing is on its way to the peer of l.
func (l *leg) quiet() bool {
	return l.out == nil && l.pipe == nil && (l.tls == nil || l.tls.plain == nil)
}

// send takes p, to be written when the turn is over, or at once if it is long
// and the socket takes it.
func (l *leg) send(p []byte) {
	switch {
	case l.tls != nil:
		l.tls.send(l, p)
	case len(p) >= directLeast && l.up && !l.blocked && l.pipe == nil:
		if n := l.writeNow(p); n < len(p) && l.werr == nil {
			l.out = l.loop.buffers.add(l.out, p[n:])
		}
		return
	default:
		l.out = l.loop.buffers.add(l.out, p)
	}
	l.mark()
}

// writeNow writes what is queued and p in one call, and returns how much of p
// has left.
func (l *leg) writeNow(p []byte) int {
	var n int
	var errno unix.Errno
	held := 0
	if l.out == nil {
		n, errno = write(int(l.fd), p)
	} else {
		held = l.out.w - l.out.r
		n, errno = writev(int(l.fd), l.out.octets(), p)
	}
	l.wrote(errno, n < held+len(p))
	if n < held {
		if l.out != nil {
			l.out.r += n
		}
		return 0
	}
	if l.out != nil {
		l.loop.buffers.put(l.out)
		l.out = nil
	}
	return n - held
}

// wrote notes what a write came to. A short one says that the socket is full.
func (l *leg) wrote(errno unix.Errno, short bool) {
	switch errno {
	case 0, unix.EAGAIN:
		l.blocked = short
	default:
		l.writeFailed(os.NewSyscallError("write", errno))
	}
}

// mark has l be written when the turn is over.
func (l *leg) mark() {
	if !l.dirty {
		l.dirty = true
		l.loop.dirty = append(l.loop.dirty, l)
	}
}

// flush writes what is queued as far as the socket takes it.
func (l *leg) flush() {
	l.dirty = false
	if l.fd < 0 || !l.up || l.blocked || l.conn == nil {
		return
	}
	c := l.conn
	l.loop.at = c
	queued := l.queued()
	l.writeQueued()
	if l.gone && l.blocked && !c.killed && l.queued() < queued { // its peer takes what is queued, if slowly
		l.limit(l.loop.now + int64(bounds.FlushTime))
	}
	if !l.blocked && l.fd >= 0 && l.quiet() && (l.tls == nil || l.tls.done || l.gone) {
		l.emptied()
	}
	c.run()
	c.settle()
}

// writeQueued writes what is queued, in a pipe or not.
func (l *leg) writeQueued() {
	if l.werr == nil && l.writePipe() {
		l.writeOut()
	}
}

// sendOff writes what is queued for all legs but from, which has failed. The core
// may be about to pass that on by a reset, which must not overtake what from said
// before.
func (c *conn) sendOff(from *leg) {
	for _, l := range c.legs {
		if l != nil && l != from && l.fd >= 0 && l.up && !l.blocked {
			l.writeQueued()
		}
	}
}

// writeOut seals and writes what is not in a pipe.
func (l *leg) writeOut() {
	if l.tls != nil && l.tls.done {
		l.tls.seal(l)
		if l.half || l.gone && !l.parking {
			l.tls.end()
		}
	}
	for l.out != nil && !l.blocked && l.werr == nil {
		n, errno := write(int(l.fd), l.out.octets())
		l.wrote(errno, n < l.out.w-l.out.r)
		if l.out == nil { // it failed
			return
		}
		if l.out.r += n; l.out.r == l.out.w {
			l.loop.buffers.put(l.out)
			l.out = nil
		}
	}
}

// emptied goes on once all that was sent has left.
func (l *leg) emptied() {
	c := l.conn
	if l.werr != nil {
		if l.gone {
			l.abort()
		}
		return
	}
	if l.full {
		l.full = false
		l.drained = true
		c.due = true
	}
	if l.tls != nil {
		l.tls.answered = 0
	}
	for _, from := range c.legs {
		if from != nil && from.move.to == l {
			c.due = c.due || len(from.unread) > 0
			from.resume()
		}
	}
	switch {
	case l.gone && !l.parking:
		l.linger()
	case l.half && !l.finSent:
		l.finSent = true
		shutdown(int(l.fd))
	}
}

// linger lets the peer of a leg that was flushed take the last octets: closing
// at once would reset the connection if unread ones came in.
func (l *leg) linger() {
	if l.eof || !l.lingers || l.conn.killed {
		l.shut()
		return
	}
	if !l.finSent { // else by Half
		l.finSent = true
		shutdown(int(l.fd))
	}
	l.limit(l.loop.now + int64(bounds.LingerTime))
	l.resume()
}

// writeFailed notes that nothing can be sent to l any more. What the peer sent
// before is still read; the end of that reports it, or the time for it does.
func (l *leg) writeFailed(err error) {
	l.werr = err
	l.blocked = false
	lp := l.loop
	lp.buffers.put(l.out)
	l.out = nil
	if l.tls != nil {
		l.tls.drop(lp)
	}
	if l.pipe != nil {
		l.loop.pipes.discard(l.pipe)
		l.pipe = nil
	}
	switch {
	case l.gone:
		l.mark() // which closes it
	case l.start == shakes:
		l.startFailed(err)
	case l.eof:
		l.failure = err
		l.conn.due = true
	default:
		l.limit(lp.now + int64(bounds.FailTime))
	}
}

// finish closes l, which the core has let go of, once what was sent has left.
// Done says that the peer sends nothing more; then there is nothing to linger
// for, where its octets are known to be read. With TLS a close_notify may come.
func (l *leg) finish(how engine.How) {
	done := how == engine.Done && l.tls == nil && !l.hot && len(l.unread) == 0
	l.unread = nil
	if !l.up {
		l.shut()
		return
	}
	if l.tls != nil && !l.tls.done {
		l.tls.drop(l.loop) // it would have followed the handshake
	}
	if l.werr != nil {
		l.abort()
		return
	}
	queued := l.queued() > 0
	l.lingers = !done && (l.id == engine.Client || queued)
	if queued {
		wait := bounds.FlushTime
		if l.conn.killed {
			wait = bounds.KillTime
		}
		l.limit(l.loop.now + int64(wait))
	}
	l.mark()
	if !done {
		l.resume()
	}
}

// late is called when the deadline of l itself has come.
func (l *leg) late() {
	l.until = 0
	c := l.conn
	switch {
	case l.gone && l.queued() > 0:
		l.abort() // a FIN would say that this was all
	case l.gone:
		l.shut()
	case l.dial == dialling:
		l.dialFailed(errDialTime)
	case l.start == shakes:
		l.startFailed(engine.ErrTLSTime)
	case c.greets != nil && l.id == engine.Client:
		l.decline(c.greets.missing())
	case l.werr != nil:
		l.failure = l.werr
		c.due = true
	}
}
