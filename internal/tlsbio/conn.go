// Package tlsbio is TLS without a socket: octets in, octets out. No call ever
// waits, so that an event loop can drive crypto/tls.
//
// Sealed input goes in with Feed and what crypto/tls writes goes to a Sink at
// once. Handshake and Read work on what was fed; where that does not suffice
// they say so, and are called again after the next Feed.
//
// An idle connection is about 4 KB, most of it in crypto/tls, whose buffers grow
// and never shrink: one to the longest record and 512 octets, one to the longest
// message of the handshake. A ClientHello with a post-quantum key costs 2.7 KB
// more (4 KB in TLS 1.2), a client that sends full records 18 KB.
package tlsbio

import (
	"crypto/tls"
	"errors"
	"io"
	"net"

	"casbah/internal/tlsid"
)

// Sink takes what a connection has to send: records of the handshake and of
// Write, alerts, and answers to key updates, which leave within Read.
type Sink interface {
	// Sealed takes all of p, after what it took before. p is valid during the
	// call, which must not use the connection.
	Sealed(p []byte)
}

// ErrAgain is the answer of Read when more input is needed. It is the temporary
// net.Error that tls.Conn.Read survives.
var ErrAgain error = again{}

type again struct{}

func (again) Error() string   { return "tlsbio: more input is needed" }
func (again) Timeout() bool   { return false }
func (again) Temporary() bool { return true }

var _ net.Error = again{}

var (
	errCut         = errors.New("tlsbio: input ended") // io.ErrUnexpectedEOF would become io.EOF within crypto/tls
	errEarly       = errors.New("tlsbio: handshake is not done")
	errPanicked    = errors.New("tlsbio: callback of the handshake panicked")
	errRenegotiate = errors.New("tlsbio: renegotiation is not supported")
)

// Conn is one side of a TLS connection. One goroutine at a time may use it; a
// goroutine that is locked to its thread in the first step of the handshake must
// be so, on that thread, in the others and in Close.
type Conn struct {
	tls           *tls.Conn
	out           Sink
	remote, local net.Addr

	in    []byte     // fed, and not yet taken by crypto/tls
	seen  Records    // what crypto/tls has taken
	note  tlsid.Note // of the session
	shake *handshake // between the first step and the last

	inErr, outErr error // why nothing more is read, or written

	kept    bool // in is memory of our own
	end     bool // the peer sends nothing after in
	dry     bool // crypto/tls holds nothing that a Read could return
	waiting bool // the handshake goes on with input alone
	inStep  bool // the handshake is running
	done    bool // the handshake succeeded
	closed  bool
}

// Server returns the server's side of a connection. The callbacks of cfg see
// the addresses, which must not be nil. Whatever ends the connection, Close it.
func Server(cfg *tls.Config, out Sink, remote, local net.Addr) *Conn {
	c := &Conn{out: out, remote: remote, local: local, waiting: true}
	c.tls = tls.Server((*transport)(c), cfg)
	return c
}

// Client returns the client's side of a connection. A cfg with renegotiation
// fails: it would be a handshake within Read.
func Client(cfg *tls.Config, out Sink, remote, local net.Addr) *Conn {
	c := &Conn{out: out, remote: remote, local: local}
	c.tls = tls.Client((*transport)(c), cfg)
	if cfg != nil && cfg.Renegotiation != tls.RenegotiateNever {
		c.fail(errRenegotiate)
	}
	return c
}

// Feed hands over p, which follows what was fed before. The connection borrows
// p until Read or Handshake has taken it all, or until Keep. After an end or a
// failure it is dropped.
func (c *Conn) Feed(p []byte) {
	if c.inErr != nil {
		return
	}
	if len(c.in) == 0 {
		c.in, c.kept = p, false
		return
	}
	c.Keep()
	c.in = append(c.in, p...)
}

// FeedEnd says that the peer sends nothing after what was fed.
func (c *Conn) FeedEnd() { c.end = true }

// Keep copies what is left of the octets fed, so that the caller may use their
// memory again. After a Read that returned ErrAgain nothing is left.
func (c *Conn) Keep() {
	if len(c.in) > 0 && !c.kept {
		c.in, c.kept = append([]byte(nil), c.in...), true
	}
}

// Read opens records into p. It returns octets or an error, never both:
// ErrAgain; io.EOF after a close_notify; io.ErrUnexpectedEOF after an end
// without one. Other errors mean that the connection is broken; the alert that
// tells the peer is in the sink. All but ErrAgain are final.
func (c *Conn) Read(p []byte) (int, error) {
	switch {
	case c.inErr != nil:
		return 0, c.inErr
	case !c.done:
		return 0, errEarly
	case len(p) == 0:
		return 0, nil
	case c.dry && len(c.in) == 0 && !c.end:
		return 0, ErrAgain
	}
	n, err := c.tls.Read(p)
	if n > 0 {
		// crypto/tls took one record, and gives all of it before it takes the
		// next. An error besides is met again.
		c.dry = n < len(p)
		return n, nil
	}
	if errors.Is(err, ErrAgain) {
		c.dry = true
		return 0, ErrAgain
	}
	c.failRead(err)
	return 0, c.inErr
}

// Write seals all of p into the sink. An error is final.
func (c *Conn) Write(p []byte) error {
	switch {
	case c.outErr != nil:
		return c.outErr
	case !c.done:
		return errEarly
	}
	if _, err := c.tls.Write(p); err != nil {
		c.outErr = err
	}
	return c.outErr
}

// CloseWrite sends a close_notify, once, if the handshake is done and the
// connection is not broken. Reading goes on.
func (c *Conn) CloseWrite() {
	broken := c.inErr != nil && c.inErr != io.EOF && c.inErr != io.ErrUnexpectedEOF //nolint:errorlint // failRead sets them as they are
	if c.done && c.outErr == nil && !broken {
		c.outErr = c.tls.CloseWrite()
	}
}

// Whole reports whether what was fed, read or not, ends with a record. It is
// false once Read has ended or failed: nothing fits behind that.
func (c *Conn) Whole() bool {
	r := c.seen
	r.Pass(c.in)
	return r.Whole() && c.inErr == nil
}

// Spent reports whether all that was fed was read, and ends with a record: nothing
// of it can come to light later. What it finds unread is lost.
func (c *Conn) Spent() bool {
	if !c.dry || len(c.in) > 0 { // the last Read ended with its room; else, in the common case, with its input
		if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, ErrAgain) {
			return false
		}
	}
	return c.Whole()
}

// State describes the connection once the handshake is done. Before, it is zero.
func (c *Conn) State() tls.ConnectionState {
	if !c.done {
		return tls.ConnectionState{}
	}
	return c.tls.ConnectionState()
}

// Session returns the identity of the session of which State says whether it was
// resumed: zero where the configuration of the server gives none, and for a
// client without tickets.
func (c *Conn) Session(s *tls.ConnectionState) tlsid.ID { return c.note.ID(s.DidResume) }

// Close ends the connection, and with it a handshake that is under way, whose
// coroutine would stay for ever. Nothing more goes to the sink.
func (c *Conn) Close() {
	c.closed = true
	c.in = nil
	c.inErr, c.outErr = net.ErrClosed, net.ErrClosed
	if c.shake != nil && !c.inStep {
		c.inStep = true
		c.shake.stop()
	}
}

// failRead makes err what Read returns from now on.
func (c *Conn) failRead(err error) {
	if c.inErr != nil {
		return
	}
	if errors.Is(err, errCut) {
		err = io.ErrUnexpectedEOF
	}
	c.inErr = err
	c.in = nil
}

// fail makes err what all returns from now on.
func (c *Conn) fail(err error) {
	c.failRead(err)
	if c.outErr == nil {
		c.outErr = c.inErr
	}
}
