package netconn

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// The states of a socket whose reader may stay in one call of the runtime's Read.
const (
	away    int32 = iota // no reader stays
	staying              // one does: it alone may close the socket, which waits for that call to end
	closing              // it has been told to
)

// stayer is what a socket needs for its reader to stay.
type stayer struct {
	state  atomic.Int32
	token  uint64      // under which hangups knows the socket; 0: not watched
	hungUp atomic.Bool // the peer has closed: the reader reads on to the end
	watch  *hangups
}

// stay is readLoop for a plain socket, in one call of the runtime's Read: after
// a read that did not fill its room it sleeps at once. Another call would begin
// with a read that finds nothing (7% of a request, docs/PERFORMANCE.md). It reports
// whether it was the reader to the end; it cannot be where FINs are not watched.
func (l *leg) stay(h *hangups) bool {
	s := l.wire.sock
	if l.wire.tls != nil || s.raw == nil || len(s.ahead) > 0 || !h.add(s) {
		return false
	}
	s.watch = h
	s.state.Store(staying)
	over := false
	turn := func(fd uintptr) bool {
		var wait bool
		over, wait = l.readOn(fd)
		return !wait
	}
	for !over {
		err := s.raw.Read(turn)
		switch {
		case over:
		case s.state.Load() == closing:
			over = !l.took(nil, 0, net.ErrClosed)
		case errors.Is(err, os.ErrDeadlineExceeded) && s.hungUp.Load() && s.unhurry():
		default:
			over = !l.took(nil, 0, err)
		}
	}
	s.leave()
	return true
}

// readOn takes turns until the socket is empty or the reader is done.
func (l *leg) readOn(fd uintptr) (over, wait bool) {
	s := l.wire.sock
	for s.state.Load() == staying {
		if to, left := l.spliceTarget(); to != nil {
			moved, err := l.splice(int(fd), to, left)
			if moved {
				continue
			}
			if err != nil {
				return !l.took(nil, 0, err), false
			}
		}
		s.p, s.size = nil, l.ask
		if l.buf != nil {
			s.p = l.buf.b[l.tail:]
		}
		s.b, s.n, s.err = nil, 0, nil
		if !s.tryRead(fd) {
			return false, true
		}
		b, n, err, emptied := s.b, s.n, s.err, s.short
		s.p, s.b = nil, nil
		if !l.took(b, n, err) {
			return true, false
		}
		if emptied && err == nil && !s.hungUp.Load() {
			return false, true
		}
	}
	return false, false
}

// unhurry takes back the deadline that hangups woke the reader by, unless it was
// that of close.
func (s *socket) unhurry() bool {
	_ = s.SetReadDeadline(time.Time{})
	return s.state.Load() == staying
}

// close closes the socket, by its reader if one stays.
func (s *socket) close() {
	if s.state.CompareAndSwap(staying, closing) {
		_ = s.SetDeadline(time.Unix(1, 0))
		return
	}
	if s.state.Load() == away {
		_ = s.Close()
	}
}

// leave ends the stay, and the socket if that was asked for.
func (s *socket) leave() {
	s.watch.remove(s)
	if !s.state.CompareAndSwap(staying, away) {
		s.state.Store(away)
		_ = s.Close()
	}
}
