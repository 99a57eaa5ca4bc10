package netconn

import (
	"errors"
	"io"
	"runtime"

	"casbah/engine/bounds"
)

// minRoom is the least room for a read behind octets that the core left.
const minRoom = 4 << 10

// errStale ends a reused connection on which octets came before the hand-over.
var errStale = errors.New("netconn: octets came while the connection was parked")

// readLoop is the reader of l.
func (l *leg) readLoop(h *hangups) {
	for on := true; on; on = l.startTLS() {
		if !l.stay(h) {
			for l.took(l.read()) {
			}
		}
	}
	l.readerDone()
}

// read waits for octets: into a new buffer, which it returns, or behind the
// unread ones.
func (l *leg) read() (b *buffer, n int, err error) {
	if l.buf == nil {
		return l.wire.fill(l.ask)
	}
	n, err = l.wire.Read(l.buf.b[l.tail:])
	return nil, n, err
}

// took is the turn of a read. It reports whether to read on, which it may wait for.
func (l *leg) took(b *buffer, n int, err error) bool {
	c := l.lock()
	if c == nil {
		putBuffer(b)
		return false // dropped while parked
	}
	if l.gone {
		return l.discard(c, b, n, err)
	}
	if l.shakes() { // begun by another turn, which may have woken this reader
		l.readEarly(b, n)
		c.unlock()
		return false
	}
	c.now = c.engine.clock()
	c.reader = l
	if l.wire.sock.stale() {
		n, err = 0, errStale
	}
	l.received(c, b, n)
	if err != nil {
		l.readEnded(c, err)
	}
	c.run()
	c.reader = nil
	empty, on := (*buffer)(nil), true
	if l.owner.Load() == c { // else it was parked
		empty, on = l.makeRoom(), err == nil && l.mayRead()
	}
	shakes := l.shakes()
	if c.spent != nil {
		empty, c.spent = c.spent, nil
	}
	dirty := c.takeDirty()
	c.unlock()
	if dirty != nil {
		// The other readers that are ready go first: writes that follow each
		// other find the peer awake, and need not wake it (5% of the CPU of a
		// 1 KiB request, docs/PERFORMANCE.md).
		runtime.Gosched()
	}
	c.flush(dirty)
	putBuffer(empty) // not before: a direct write was from it
	return !shakes && (on || err == nil && l.await())
}

// lock locks the owner of l and returns it; nil if l was parked, and is now
// dropped because its reader came back.
func (l *leg) lock() *conn {
	for {
		c := l.owner.Load()
		if c == nil {
			if l.parkedIn.drop(l) {
				l.shutdown()
				return nil
			}
			continue // taken just now
		}
		c.mu.Lock()
		if l.owner.Load() == c {
			return c
		}
		c.mu.Unlock() // parked, or handed on, in between
	}
}

// received notes n octets, in b or behind the unread ones.
func (l *leg) received(c *conn, b *buffer, n int) {
	if n == 0 {
		putBuffer(b)
		return
	}
	switch {
	case b != nil:
		l.buf, l.r, l.w = b, 0, n
	case l.r == l.w:
		l.r, l.w = l.tail, l.tail+n
	default:
		l.w += n
	}
	l.offer = true
	c.due = true
}

// readEnded notes the end of reading. After a clean one the leg may still have
// failed for writing, which nobody else would report.
func (l *leg) readEnded(c *conn, err error) {
	l.readOver = true
	c.due = true
	if errors.Is(err, io.EOF) {
		l.finDue = true
		l.failure = l.writeErr
		return
	}
	l.failure = err
	if l.writeErr != nil {
		l.failure = l.writeErr
	}
}

// makeRoom prepares buf for the next read. A buffer that is empty is returned,
// for its pool: the next read begins with none.
func (l *leg) makeRoom() (empty *buffer) {
	l.ask, l.long = l.move.readSize(), l.move.long()
	if l.gone {
		l.r = l.w
	}
	if l.r == l.w {
		empty, l.buf = l.buf, nil
		l.r, l.w = 0, 0
		return empty
	}
	if size := len(l.buf.b); size-l.w < minRoom {
		switch {
		case l.r < minRoom && size < huge:
			next := getBuffer(size + 1)
			l.w = copy(next.b, l.buf.b[l.r:l.w])
			putBuffer(l.buf)
			l.buf, l.r = next, 0
		case l.r > 0:
			l.w = copy(l.buf.b, l.buf.b[l.r:l.w])
			l.r = 0
		}
	}
	l.tail = l.w
	return nil
}

// mayRead reports whether the reader of l should read now.
func (l *leg) mayRead() bool {
	switch {
	case l.gone, l.shakes():
		return true // what comes is discarded, or the read fails; or it is the handshake's
	case l.held:
		return false
	case l.move.to != nil:
		return l.move.to.queued() <= bounds.Full
	default:
		return l.w-l.r < huge
	}
}

// await is where a reader that may not read sleeps. It reports whether to read.
func (l *leg) await() bool {
	c := l.lock()
	if c == nil {
		return false
	}
	for !l.mayRead() {
		l.waiting = true
		l.awake.Wait()
		l.waiting = false
	}
	empty := l.makeRoom()
	on := !l.shut && !l.shakes()
	c.unlock()
	putBuffer(empty)
	return on
}

// resume wakes the reader of l to look whether it may read.
func (l *leg) resume() {
	if l.waiting {
		l.awake.Signal()
	}
}

// readerDone is the end of the reader of l.
func (l *leg) readerDone() {
	c := l.owner.Load()
	if c == nil {
		return // dropped while parked
	}
	c.mu.Lock()
	l.reading = false
	c.release(l)
	c.unlock()
}

// discard is the turn of a read on a leg that is gone.
func (l *leg) discard(c *conn, b *buffer, n int, err error) bool {
	l.discarded += n
	l.parking = false // nothing may come on a leg that is to be parked
	on := err == nil && !l.shut && l.discarded < bounds.LingerOctets
	c.unlock()
	putBuffer(b)
	return on
}
