//go:build !unix

package netconn

import "syscall"

// rawReader is for platforms where a goroutine waits for a socket with a buffer
// in its hands. There nothing is parked either.
type rawReader struct{ raw syscall.RawConn }

func (*rawReader) init(*socket) {}

func (s *socket) readRaw(p []byte, _ int) (*buffer, int, error) {
	n, err := s.Conn.Read(p)
	return nil, n, err
}

func (*socket) silent() bool { return false }
