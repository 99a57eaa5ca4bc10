package tlsbio

import (
	"net"
	"time"

	"casbah/internal/tlsid"
)

// transport is the net.Conn below a tls.Conn: the same Conn, seen from there.
type transport Conn

var (
	_ net.Conn      = (*transport)(nil)
	_ tlsid.Carrier = (*transport)(nil)
)

// Read hands over at most the rest of one record. crypto/tls then never holds
// the beginning of the next, for which its buffer would double.
func (t *transport) Read(p []byte) (int, error) {
	for len(t.in) == 0 {
		switch {
		case t.closed:
			return 0, net.ErrClosed
		case t.end:
			return 0, errCut
		case t.shake == nil:
			return 0, ErrAgain
		}
		if !(*Conn)(t).park() {
			return 0, net.ErrClosed
		}
	}
	n := copy(p, t.in[:t.seen.rest(t.in)])
	t.seen.Pass(t.in[:n])
	if t.in = t.in[n:]; len(t.in) == 0 {
		t.in = nil
	}
	return n, nil
}

// Write always succeeds: neither tls.Conn.Write nor the handshake can be
// repeated.
func (t *transport) Write(p []byte) (int, error) {
	if !t.closed {
		t.out.Sealed(p)
	}
	return len(p), nil
}

// Close does nothing: there is nothing below.
func (*transport) Close() error { return nil }

// LocalAddr is what the callbacks of a tls.Config see.
func (t *transport) LocalAddr() net.Addr { return t.local }

// RemoteAddr is what the callbacks of a tls.Config see.
func (t *transport) RemoteAddr() net.Addr { return t.remote }

// TLSNote implements tlsid.Carrier.
func (t *transport) TLSNote() *tlsid.Note { return &t.note }

// SetDeadline does nothing, as no call waits. tls.Conn.CloseWrite sets some.
func (*transport) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (*transport) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (*transport) SetWriteDeadline(time.Time) error { return nil }
