package netconn

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"casbah/engine/bounds"
	"casbah/internal/pacing"
	"casbah/internal/tlsbio"
)

// socket is the transport of a wire, with reads that need no buffer while they
// wait.
type socket struct {
	net.Conn
	halfCloser interface{ CloseWrite() error } // Conn, if it can; else nil
	awaiter    interface{ Await() }            // Conn, if it can wait without a buffer; else nil
	rawReader                                  // of the platform; its zero value is none
	stayer                                     // likewise

	ahead   []byte       // read with a PROXY header, before anything else
	bulk    pacing.Meter // of what was spliced to it; its one writer's
	hurried bool         // Read answers errNotNow instead of waiting; the reader's own
	flushes atomic.Bool  // the leg is closed, and what is queued leaves

	// A socket that may be parked has generations: odd while it is parked, even
	// while it has an owner.
	parks   bool       // it may be parked
	mu      sync.Mutex // guards the fields below, and is held for the read system call
	gen     uint64
	readGen uint64          // at the last read
	records *tlsbio.Records // that were read; nil: no TLS
	spoiled bool            // something came while it was parked
}

// notNowError is the error of a read that would wait. It is temporary, so that a
// tls.Conn can go on after it.
type notNowError struct{}

var errNotNow net.Error = notNowError{}

func (notNowError) Error() string   { return "netconn: nothing to read now" }
func (notNowError) Timeout() bool   { return true }
func (notNowError) Temporary() bool { return true }

// newSocket returns the socket over nc.
func newSocket(nc net.Conn) *socket {
	s := &socket{Conn: nc}
	s.halfCloser, _ = nc.(interface{ CloseWrite() error })
	s.awaiter, _ = nc.(interface{ Await() })
	s.init(s)
	return s
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	switch {
	case len(s.ahead) > 0:
		n := copy(p, s.ahead)
		s.ahead = s.ahead[n:]
		return n, nil
	case s.hurried:
		return 0, errNotNow
	case s.raw != nil:
		_, n, err := s.readRaw(p, 0)
		return n, err
	}
	return s.Conn.Read(p)
}

// Write implements net.Conn. A peer that takes some of what is queued at a leg that
// is closed has as much time for the rest.
func (s *socket) Write(p []byte) (n int, err error) {
	for {
		m, err := s.Conn.Write(p[n:])
		if n += m; err == nil || m == 0 || !s.flushes.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		_ = s.SetWriteDeadline(time.Now().Add(bounds.FlushTime))
		if !s.flushes.Load() { // it was to be closed meanwhile, by a deadline
			return n, err
		}
	}
}

// fill is wire.fill without TLS.
func (s *socket) fill(size int) (*buffer, int, error) {
	if s.raw != nil && len(s.ahead) == 0 {
		return s.readRaw(nil, size)
	}
	if s.awaiter != nil {
		s.awaiter.Await()
	}
	b := getBuffer(size)
	n, err := s.Read(b.b[:size])
	if n == 0 {
		putBuffer(b)
		b = nil
	}
	return b, n, err
}

// stale reports whether the last read took octets that do not belong to the
// present owner of the socket.
func (s *socket) stale() bool {
	if !s.parks {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readGen != s.gen || s.spoiled
}

// shelve begins the parked generation, unless a TLS record was read in part: that
// would be taken, with what comes of it after the hand-over, for an answer.
func (s *socket) shelve() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records != nil && !s.records.Whole() {
		return false
	}
	s.gen++
	return true
}

// handOver ends the parked generation, unless anything has come from the peer,
// FIN included. No read can fall in between.
func (s *socket) handOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spoiled || !s.silent() {
		return false
	}
	s.gen++
	return true
}

// closeWrite sends FIN, if it can.
func (s *socket) closeWrite() {
	if s.halfCloser != nil {
		_ = s.halfCloser.CloseWrite()
	}
}

// reset makes Close send RST, and drop what was not sent.
func (s *socket) reset() {
	if t, ok := s.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}
