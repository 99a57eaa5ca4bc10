//go:build linux

package reactor

import (
	"os"

	"golang.org/x/sys/unix"

	"casbah/engine/bounds"
)

// The bounds of the pipes of one loop.
const (
	pipesMost = 128 // at once; their octets are nobody's buffers but the system's
	pipesSkip = 64  // requests for one that do without, once the system has refused
)

// pipeSizes are what a pipe is asked to hold, in octets, the most that one
// splice moves. The system allows a process without privileges 64 of the first
// (fs.pipe-max-size and fs.pipe-user-pages-soft, see proc(5)); then less.
var pipeSizes = [...]int{1 << 20, 256 << 10, 64 << 10}

// pipe is a buffer of the kernel: octets go from socket to socket without being
// copied to this process. A leg has one only while octets for it are inside.
type pipe struct {
	r, w int
	size int
	n    int // octets inside
	next *pipe
}

// pipes lends empty pipes to the legs of one loop.
type pipes struct {
	free *pipe
	open int // those that are lent, too
	skip int // requests that are not to be tried
}

// get lends a pipe; nil if there is none to be had.
func (s *pipes) get() *pipe {
	if p := s.free; p != nil {
		s.free, p.next = p.next, nil
		return p
	}
	if s.open == pipesMost {
		return nil
	}
	if s.skip > 0 {
		s.skip--
		return nil
	}
	p := newPipe()
	if p == nil {
		s.skip = pipesSkip
		return nil
	}
	s.open++
	return p
}

// newPipe makes a pipe; nil if the system has none that is worth it.
func newPipe() *pipe {
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC) != nil {
		return nil
	}
	p := &pipe{r: fds[0], w: fds[1]}
	for _, size := range pipeSizes {
		if n, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, size); err == nil && n >= size {
			p.size = size
			return p
		}
	}
	closeFD(p.r)
	closeFD(p.w)
	return nil
}

// put takes an empty pipe back.
func (s *pipes) put(p *pipe) { p.next, s.free = s.free, p }

// discard closes p, with what is inside.
func (s *pipes) discard(p *pipe) {
	closeFD(p.r)
	closeFD(p.w)
	s.open--
}

// close closes the pipes that nobody has.
func (s *pipes) close() {
	for p := s.free; p != nil; p = p.next {
		s.discard(p)
	}
	s.free = nil
}

// long reports whether the kernel can move the octets of l: a long Move from a
// plain socket to another. Where that takes none now, l waits, since what is read
// meanwhile would be copied.
func (l *leg) long() bool {
	m := &l.move
	if m.to == nil || m.left >= 0 && m.left < bounds.SpliceLeast || len(l.unread) > 0 || l.tls != nil {
		return false
	}
	to := m.to
	return to.tls == nil && to.up && !to.half && to.werr == nil
}

// spliceable reports whether the kernel can move octets of l now.
func (l *leg) spliceable() bool { return l.long() && !l.move.to.blocked && l.move.to.pipe == nil }

// splice moves octets to the target of the Move of l. It reports false where
// that is not to be had, and l is to be read as ever.
func (l *leg) splice() bool {
	p := l.loop.pipes.get()
	if p == nil {
		return false
	}
	m := &l.move
	to := m.to
	ahead := to.out != nil
	if ahead && !to.writeAhead() {
		l.loop.pipes.put(p)
		return true // it is blocked, or gone
	}
	most := p.size
	if m.left >= 0 {
		most = int(min(m.left, int64(most)))
	}
	n, errno := splice(int(l.fd), p.w, most)
	if n == 0 {
		l.loop.pipes.put(p)
		if ahead {
			push(int(to.fd))
		}
		switch errno {
		case 0, unix.EINVAL, unix.ENOMEM:
			// Zero is no proof of an end, and these errors are of splice alone:
			// a read tells.
			return false
		case unix.EAGAIN:
			l.hot = false
		default: // of the socket, which tells it once: a read would find an end
			l.readEnded(os.NewSyscallError("splice", errno))
		}
		return true
	}
	p.n = n
	to.pipe = p
	m.take(n)
	to.bulk.Count(int(to.fd), n, m.left)
	if m.to == nil {
		l.conn.due = true
	}
	to.writePipe()
	return true
}

// writePipe moves what is in the pipe of l to its socket, and reports whether
// nothing is left there.
func (l *leg) writePipe() bool {
	p := l.pipe
	for p != nil && p.n > 0 {
		n, errno := splice(p.r, int(l.fd), p.n)
		switch {
		case errno == unix.EAGAIN:
			l.blocked = true
			return false
		case errno != 0:
			l.writeFailed(os.NewSyscallError("splice", errno))
			return false
		}
		p.n -= n
	}
	if p != nil {
		l.loop.pipes.put(p)
		l.pipe = nil
	}
	return true
}

// writeAhead writes what is queued and leaves it to the octets that follow it
// from a pipe to send it off, so that the peer wakes once. It reports whether
// all was taken.
func (l *leg) writeAhead() bool {
	b := l.out
	held := b.w - b.r
	n, errno := writeMore(int(l.fd), b.octets())
	l.wrote(errno, n < held)
	if l.out == nil { // it failed
		return false
	}
	if n < held {
		b.r += n
		return false
	}
	l.loop.buffers.put(b)
	l.out = nil
	return true
}
