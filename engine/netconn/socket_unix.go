//go:build unix

package netconn

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// rawReader reads a socket by system calls of its own: it takes a buffer only
// when there are octets for it.
type rawReader struct {
	raw     syscall.RawConn // nil: what the socket is over has none
	attempt func(fd uintptr) bool
	peek    func(fd uintptr)

	// Of one read: what attempt works on.
	p     []byte
	size  int
	b     *buffer
	n     int
	err   error
	octet [1]byte // for peek, by whom the parked socket is handed over
	quiet bool    // what peek found
	short bool    // the last read did not fill its room: the socket is empty
}

func (r *rawReader) init(s *socket) {
	t, ok := s.Conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return // closed already, which the first Read tells
	}
	r.raw = raw
	r.attempt = s.tryRead
	r.peek = s.tryPeek
}

// readRaw reads into p, or into a new buffer of which it uses size octets.
func (s *socket) readRaw(p []byte, size int) (*buffer, int, error) {
	s.p, s.size, s.b, s.n, s.err = p, size, nil, 0, nil
	err := s.raw.Read(s.attempt)
	b := s.b
	s.p, s.b = nil, nil
	if err != nil {
		return nil, 0, err
	}
	return b, s.n, s.err
}

// tryRead makes one attempt, and reports whether it is over: false waits for
// the socket to become readable.
func (s *socket) tryRead(fd uintptr) bool {
	if s.parks {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	b, p := (*buffer)(nil), s.p
	if p == nil {
		b = getBuffer(s.size)
		p = b.b[:s.size]
	}
	n, errno := syscall.Read(int(fd), p)
	for errno == syscall.EINTR {
		n, errno = syscall.Read(int(fd), p)
	}
	s.short = n < len(p)
	if errno == syscall.EAGAIN {
		putBuffer(b)
		return false
	}
	if s.parks {
		s.readGen = s.gen
		s.spoiled = s.spoiled || s.gen%2 == 1
		if s.records != nil && n > 0 {
			s.records.Pass(p[:n])
		}
	}
	switch {
	case errno != nil:
		n, s.err = 0, os.NewSyscallError("read", errno)
	case n == 0 && len(p) > 0:
		s.err = io.EOF
	}
	if n == 0 {
		putBuffer(b)
		b = nil
	}
	s.b, s.n = b, n
	return true
}

// silent reports whether nothing that was not read has come from the peer, no
// FIN either. The caller holds s.mu.
func (s *socket) silent() bool {
	s.quiet = false
	err := s.raw.Control(s.peek)
	return err == nil && s.quiet
}

func (s *socket) tryPeek(fd uintptr) {
	_, _, err := syscall.Recvfrom(int(fd), s.octet[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	s.quiet = errors.Is(err, syscall.EAGAIN)
}
