package netconn

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// pipeOctets is what a pipe is asked to hold, and the most that one splice moves.
const pipeOctets = 256 << 10

// splicePipe is a buffer of the kernel: octets go from socket to socket without
// being copied to this process.
type splicePipe struct{ fds [2]int }

// pipes lends pipes, empty ones, for one splice at a time: a Move that waits
// holds none.
var pipes sync.Pool

// getPipe lends a pipe; nil if the system has none.
func getPipe() *splicePipe {
	if p, ok := pipes.Get().(*splicePipe); ok {
		return p
	}
	p := new(splicePipe)
	if unix.Pipe2(p.fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC) != nil {
		return nil
	}
	_, _ = unix.FcntlInt(uintptr(p.fds[1]), unix.F_SETPIPE_SZ, pipeOctets) // refused, it stays smaller
	runtime.AddCleanup(p, func(fds [2]int) {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
	}, p.fds)
	return p
}

// put gives an empty pipe back. One that is not empty is left to the collector.
func (p *splicePipe) put() { pipes.Put(p) }

// spliceTarget returns where the Move of l goes, and how much is left of it, if
// the kernel can do it now: a long one from a plain socket to another, on which
// nothing is queued. The reader of l is the writer of the target then.
func (l *leg) spliceTarget() (to *leg, left int64) {
	if !l.long { // common case
		return nil, 0
	}
	c := l.lock()
	if c == nil {
		return nil, 0
	}
	defer c.unlock()
	m := &l.move
	to = m.to
	if !m.long() || l.gone || l.r < l.w || !l.mayRead() {
		return nil, 0
	}
	if to.wire == nil || to.start != nil || to.wire.tls != nil || to.wire.sock.raw == nil || !to.quiet() || to.dirty ||
		to.half || to.gone || to.writeErr != nil {
		return nil, 0
	}
	to.writing = true
	return to, m.left
}

// splice moves octets of fd to the target. It reports false if there were none,
// or no pipe, and the reader is to read as ever; failed is why fd cannot be read
// any more, which the system tells once.
func (l *leg) splice(fd int, to *leg, left int64) (moved bool, failed error) {
	n := 0
	var err error
	if p := getPipe(); p != nil {
		if n, failed = p.fill(fd, left); n > 0 {
			err = to.wire.sock.drain(p, n, left)
		}
		if err == nil {
			p.put()
		}
	}
	c := to.owner.Load() // a leg with a writer is neither parked nor handed on
	c.mu.Lock()
	c.now = c.engine.clock()
	l.spliced(c, to, int64(n))
	if err != nil {
		to.writeFailed(c, err)
	}
	c.mu.Unlock()
	c.flush(c.write(to))
	return n > 0, failed
}

// spliced counts n octets of the Move of l as moved.
func (l *leg) spliced(c *conn, to *leg, n int64) {
	m := &l.move
	if n == 0 || m.to != to { // ended meanwhile
		return
	}
	m.moved += n
	if m.left > 0 {
		m.left -= n
	}
	if m.left == 0 {
		m.to = nil
		c.due = true
	}
	l.ask, l.long = m.readSize(), m.long()
}

// fill takes up to left octets, -1 any number, from fd, and returns how
// many; 0 if there are none now, or no more.
func (p *splicePipe) fill(fd int, left int64) (int, error) {
	most := pipeOctets
	if left >= 0 {
		most = int(min(left, pipeOctets))
	}
	for {
		n, err := unix.Splice(fd, nil, p.fds[1], nil, most, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch err {
		case unix.EINTR:
			continue
		case nil, unix.EAGAIN, unix.EINVAL, unix.ENOMEM: // the last two: this way is closed, and reading tells more
			return int(max(n, 0)), nil
		}
		return 0, err
	}
}

// drain writes the n octets of p, the first of left; -1 is without end.
func (s *socket) drain(p *splicePipe, n int, left int64) error {
	var failed error
	err := s.raw.Write(func(fd uintptr) bool {
		for n > 0 {
			k, err := unix.Splice(p.fds[0], nil, int(fd), nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
			switch {
			case err == unix.EINTR:
			case err == unix.EAGAIN:
				return false
			case err != nil:
				failed = err
				return true
			default:
				n -= int(k)
				s.bulk.Count(int(fd), int(k), left)
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return failed
}
