package netconn

import (
	"crypto/tls"
	"errors"
	"net"

	"casbah/internal/tlsbio"
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
	if w.sock.parks {
		w.sock.records = new(tlsbio.Records)
	}
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
	n, err = w.hurry(b.b[1:size])
	return b, 1 + n, err
}

// hurry reads what is there without waiting. The rest of a record is decrypted
// already; a record of a single octet has none, and what follows it may not
// have come. A temporary error does not break a tls.Conn for reading.
func (w *wire) hurry(p []byte) (n int, err error) {
	w.sock.hurried = true
	for err == nil && n < len(p) {
		var m int
		m, err = w.tls.Read(p[n:])
		n += m
		if len(p) < small {
			break // a core looks at these: the next turn finds the next record
		}
	}
	w.sock.hurried = false
	if errors.Is(err, errNotNow) {
		err = nil
	}
	return n, err
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
