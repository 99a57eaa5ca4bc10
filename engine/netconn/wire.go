package netconn

import (
	"crypto/tls"
	"errors"
	"net"
)

// wire is the connection of a leg: a socket, with TLS over it or without. One
// goroutine may read it and another write it at the same time.
type wire struct {
	sock *socket
	tls  *tls.Conn // nil is plain
	cork *cork     // under tls
	one  [1]byte   // for fill
}

// secure puts TLS over the socket; side is tls.Server or tls.Client. The
// handshake is the caller's.
func (w *wire) secure(side func(net.Conn, *tls.Config) *tls.Conn, cfg *tls.Config) {
	w.cork = &cork{socket: w.sock}
	w.tls = side(w.cork, cfg)
}

// Read reads into p.
func (w *wire) Read(p []byte) (int, error) {
	if w.tls != nil {
		return w.tls.Read(p)
	}
	return w.sock.Read(p)
}

// fill reads at most size octets into a buffer that it takes from its pool once
// octets are there: a leg that waits holds none. The buffer is nil if there
// are none.
func (w *wire) fill(size int) (*buffer, int, error) {
	if w.tls == nil {
		return w.sock.fill(size)
	}
	n, err := w.tls.Read(w.one[:])
	if n == 0 {
		return nil, 0, err
	}
	b := getBuffer(size)
	b.b[0] = w.one[0]
	if err != nil || size == 1 {
		return b, 1, err
	}
	// The rest of the record is decrypted, and others may have come with it.
	// A temporary error does not break a tls.Conn for reading.
	w.sock.hurried = true
	for n < size {
		var m int
		m, err = w.tls.Read(b.b[n:size])
		n += m
		if err != nil {
			break
		}
	}
	w.sock.hurried = false
	if errors.Is(err, errNotNow) {
		err = nil
	}
	return b, n, err
}

// Write writes p, with TLS as records that leave together.
func (w *wire) Write(p []byte) (int, error) {
	if w.tls == nil {
		return w.sock.Write(p)
	}
	w.cork.hold()
	n, err := w.tls.Write(p)
	if flushErr := w.cork.flush(); err == nil {
		err = flushErr
	}
	return n, err
}

// closeWrite tells the peer that nothing follows: by close_notify, and by FIN
// where the socket has one.
func (w *wire) closeWrite() {
	if w.tls != nil {
		_ = w.tls.CloseWrite()
	}
	w.sock.closeWrite()
}

// canHalfClose reports whether the socket can send FIN and still be read.
func (w *wire) canHalfClose() bool { return w.sock.halfCloser != nil }
