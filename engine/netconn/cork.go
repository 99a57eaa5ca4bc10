package netconn

import (
	"io"
	"net"
	"sync"

	"casbah/internal/tlsid"
)

// cork stands between a tls.Conn and its socket. A tls.Conn writes each record
// by a system call of its own; cork gathers those of one Write and writes them
// together. Records that the tls.Conn writes otherwise (its handshake, alerts,
// answers to key updates) leave at once, or with the Write that is going on.
type cork struct {
	*socket
	note tlsid.Note // of the handshake

	mu   sync.Mutex // guards the fields below, and the order of writes
	held bool       // a Write of the tls.Conn is going on
	out  *buffer    // its records
}

// cork must stand for the whole net.Conn, reads and deadlines as the socket's.
var (
	_ net.Conn      = (*cork)(nil)
	_ tlsid.Carrier = (*cork)(nil)
)

// TLSNote implements tlsid.Carrier.
func (c *cork) TLSNote() *tlsid.Note { return &c.note }

// errCut is the end of a socket under TLS without a close_notify. A tls.Conn
// takes io.EOF between two records for a clean end, which is what somebody else
// can make of a connection as well (RFC 8446, Section 6.1).
var errCut error = cut{}

type cut struct{}

func (cut) Error() string { return io.ErrUnexpectedEOF.Error() }

// Is has errors.Is find what every driver reports. The tls.Conn compares by
// identity, and would make io.EOF of it.
func (cut) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// Read implements net.Conn for the tls.Conn.
func (c *cork) Read(p []byte) (int, error) {
	n, err := c.socket.Read(p)
	if err == io.EOF { //nolint:errorlint // a net.Conn returns it as it is
		err = errCut
	}
	return n, err
}

// Write implements net.Conn for the tls.Conn.
func (c *cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return c.socket.Write(p)
	}
	c.out = appendTo(c.out, p)
	if len(c.out.b) > large {
		if err := c.flushLocked(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// hold begins to gather.
func (c *cork) hold() {
	c.mu.Lock()
	c.held = true
	c.mu.Unlock()
}

// flush ends it: when it returns, nothing is held back.
func (c *cork) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	return c.flushLocked()
}

func (c *cork) flushLocked() error {
	if c.out == nil {
		return nil
	}
	_, err := c.socket.Write(c.out.b)
	putBuffer(c.out)
	c.out = nil
	return err
}
