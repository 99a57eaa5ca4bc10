//go:build linux

package reactor

import (
	"os"

	"golang.org/x/sys/unix"
)

// The measures of pipes.
const (
	pipeSize  = 256 << 10 // what a pipe is asked to hold, and the most that one splice moves
	pipesKept = 64        // by one loop, empty
)

// pipe is a buffer of the kernel: octets go from socket to socket without being
// copied to this process. A leg has one only while octets for it are inside.
type pipe struct {
	r, w int
	n    int // octets inside
	next *pipe
}

// pipes lends empty pipes to the legs of one loop.
type pipes struct {
	free *pipe
	kept int
}

// get lends a pipe; nil if the system has none.
func (s *pipes) get() *pipe {
	if p := s.free; p != nil {
		s.free, p.next = p.next, nil
		s.kept--
		return p
	}
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC) != nil {
		return nil
	}
	_, _ = unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize) // refused, it stays smaller
	return &pipe{r: fds[0], w: fds[1]}
}

// put takes an empty pipe back.
func (s *pipes) put(p *pipe) {
	if s.kept >= pipesKept {
		p.discard()
		return
	}
	p.next, s.free = s.free, p
	s.kept++
}

// close closes the pipes that nobody has.
func (s *pipes) close() {
	for p := s.free; p != nil; p = p.next {
		p.discard()
	}
	s.free, s.kept = nil, 0
}

// discard closes p, with what is inside.
func (p *pipe) discard() {
	closeFD(p.r)
	closeFD(p.w)
}

// spliceable reports whether the kernel can move the octets of l: a long Move
// from a plain socket to another, with nothing before them.
func (l *leg) spliceable() bool {
	m := &l.move
	if m.to == nil || m.left >= 0 && m.left < spliceLeast || len(l.unread) > 0 || l.tls != nil {
		return false
	}
	to := m.to
	return to.tls == nil && to.up && !to.blocked && to.quiet() && !to.half && to.werr == nil
}

// splice moves octets to the target of the Move of l. It reports false where
// that is not to be had, and l is to be read as ever.
func (l *leg) splice() bool {
	p := l.loop.pipes.get()
	if p == nil {
		return false
	}
	m := &l.move
	most := pipeSize
	if m.left >= 0 {
		most = int(min(m.left, pipeSize))
	}
	n, errno := splice(int(l.fd), p.w, most)
	if n == 0 {
		l.loop.pipes.put(p)
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
	to := m.to
	to.pipe = p
	m.take(n)
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
