package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"time"

	"casbah/engine"
	"casbah/engine/bounds"
)

// startState is how far a leg is with its StartTLS.
type startState uint8

const (
	starting startState = iota // the call that asked for it goes on: its octets are not settled
	shaking                    // the handshake is the reader's, once what was sent in plain has left
	started                    // Secured is due
)

// start is the StartTLS of a leg, until it is answered.
type start struct {
	state   startState
	drops   bool    // it discards what is unread
	dropped int     // octets that it discarded
	early   []byte  // octets that came before the handshake and belong to it
	later   *buffer // sent by the core meanwhile
	err     error   // of the answer
}

// StartTLS implements engine.Driver. What the core sends from now on follows the
// handshake; the rest waits until the core has returned, and has said what it
// used.
func (c *conn) StartTLS(id engine.Leg, dropUnread bool) {
	l := c.leg(id)
	if l == nil || l.start != nil {
		return
	}
	l.start = &start{drops: dropUnread}
	c.due = true
	switch {
	case c.startConfig(l) == nil || l.wire == nil || l.wire.tls != nil || l.dial != noDial:
		l.startFailed(c, engine.ErrNoTLS)
	case l.half || l.readOver || l.writeErr != nil || l.failure != nil:
		l.startFailed(c, engine.ErrTLSOver)
	}
}

// startConfig is the configuration of StartTLS; nil: there is none.
func (c *conn) startConfig(l *leg) *tls.Config {
	if l.endpoint == nil {
		return c.ln.StartTLS
	}
	return l.endpoint.StartTLS
}

// stepStart does what is due for StartTLS, and reports whether there was
// anything. Until Secured nothing else is reported of l.
func (l *leg) stepStart(c *conn) bool {
	switch l.start.state {
	case starting:
		l.beginStart(c)
	case started:
		l.answerStart(c)
	default:
		return false
	}
	return true
}

// beginStart leaves l to its reader. What the core left unread came in plain:
// nobody may take it for something that was said in TLS.
func (l *leg) beginStart(c *conn) {
	s := l.start
	if l.writeErr != nil {
		l.startFailed(c, l.writeErr)
		return
	}
	s.state = shaking
	if s.drops {
		s.dropped = l.w - l.r
	} else if l.r < l.w {
		s.early = append(s.early, l.buf.b[l.r:l.w]...)
	}
	l.r = l.w
	l.move.to = nil
	l.offer, l.finDue = false, false
	_ = l.wire.sock.SetWriteDeadline(time.Now().Add(startTime(l)))
	if l.resume(); !l.waiting && c.reader != l {
		_ = l.wire.sock.SetReadDeadline(time.Unix(1, 0)) // its reader may be in a read
	}
}

// startTime is how long the handshake may take.
func startTime(l *leg) time.Duration {
	if l.endpoint == nil {
		return bounds.HandshakeTime
	}
	return connectTime(l)
}

// startFailed has Secured answer with an error.
func (l *leg) startFailed(c *conn, err error) {
	l.start.state, l.start.err = started, err
	c.due = true
}

// answerStart calls Secured. After an error l is closed.
func (l *leg) answerStart(c *conn) {
	s := l.start
	if s.err != nil {
		c.detach(l)
		c.core.Secured(c.now, l.id, s.dropped, s.err, c)
		c.finish(l)
		return
	}
	l.start = nil
	if l.out = s.later; l.out != nil || l.half {
		c.mark(l)
	}
	c.core.Secured(c.now, l.id, s.dropped, nil, c)
}

// shakes reports whether the reader of l is to shake hands.
func (l *leg) shakes() bool { return l.start != nil && l.start.state == shaking }

// readEarly keeps what a read brought that StartTLS has made a part of the
// handshake.
func (l *leg) readEarly(b *buffer, n int) {
	p := []byte(nil)
	switch {
	case b != nil:
		p = b.b[:n]
	case n > 0:
		p = l.buf.b[l.tail : l.tail+n]
	}
	l.start.early = append(l.start.early, p...)
	putBuffer(b)
}

// startTLS is the reader's part of StartTLS. It reports whether to read on: not
// if there was none, which is the end of the reader.
func (l *leg) startTLS() bool {
	c := l.lock()
	if c == nil {
		return false
	}
	if !l.shakes() {
		c.unlock()
		return false
	}
	for !l.gone && l.writeErr == nil && !l.quiet() {
		l.waiting = true
		l.awake.Wait()
		l.waiting = false
	}
	empty := l.makeRoom()
	if l.gone { // what comes is discarded
		c.unlock()
		putBuffer(empty)
		return !l.shut
	}
	err := l.writeErr
	if err == nil {
		err = l.shakeUnlocked(c)
	}
	c.now = c.engine.clock()
	switch {
	case errors.Is(err, errFault):
		c.ruin()
	case l.gone: // closed meanwhile
	default:
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = engine.ErrTLSTime
		}
		l.startFailed(c, err) // or not
	}
	c.leave()
	putBuffer(empty)
	return err == nil && l.await()
}

// shakeUnlocked runs the handshake without the mutex of c, which the caller holds.
func (l *leg) shakeUnlocked(c *conn) error {
	w, cfg := l.wire, c.startConfig(l)
	w.sock.ahead, l.start.early = l.start.early, nil
	_ = w.sock.SetDeadline(time.Now().Add(startTime(l)))
	side := tls.Client
	if l.endpoint == nil {
		side = tls.Server
	}
	w.secure(side, cfg)
	c.mu.Unlock()
	err := c.engine.shake(context.Background(), w)
	c.mu.Lock()
	if err == nil && !l.gone {
		_ = w.sock.SetDeadline(time.Time{})
	}
	return err
}
