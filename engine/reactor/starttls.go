//go:build linux

package reactor

import (
	"crypto/tls"
	"net/netip"

	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/internal/tlsbio"
)

// startState is how far a leg is with its StartTLS.
type startState uint8

const (
	noStart  startState = iota // Secured is not due: none was asked for, or it was answered
	starting                   // the call that asked for it goes on: its octets are not settled
	shakes                     // the handshake goes on
	started                    // Secured is due
)

// StartTLS implements engine.Driver. The session is there at once, so that what
// the core sends from now on is sealed; the rest waits until the core has
// returned, and has said what it used.
func (c *conn) StartTLS(id engine.Leg, dropUnread bool) {
	l := c.leg(id)
	if l == nil || l.start != noStart {
		return
	}
	l.start, l.drops = starting, dropUnread
	c.due = true
	switch cfg := l.startConfig(); {
	case cfg == nil || l.tls != nil || l.dial != noDial:
		l.startFailed(engine.ErrNoTLS)
	case l.half || l.werr != nil || l.failure != nil:
		l.startFailed(engine.ErrTLSOver)
	case l.endpoint == nil:
		l.secure(tlsbio.Server, cfg, netip.AddrPort{}, netip.AddrPort{})
	default:
		l.secure(tlsbio.Client, cfg, netip.AddrPort{}, netip.AddrPort{})
	}
	if l.start == started {
		l.half = true // what is sent from now on was to leave in TLS
	}
}

// startConfig is the configuration of StartTLS; nil: there is none.
func (l *leg) startConfig() *tls.Config {
	if l.endpoint == nil {
		return l.conn.ln.StartTLS
	}
	return l.endpoint.StartTLS
}

// stepStart does what is due for StartTLS, and reports whether there was
// anything. Until Secured nothing else is reported of l.
func (l *leg) stepStart(c *conn) bool {
	switch l.start {
	case starting:
		l.beginStart()
	case started:
		l.answerStart(c)
	default:
		return false
	}
	return true
}

// beginStart begins the handshake. What the core left unread came in plain:
// nobody may take it for something that was said in TLS.
func (l *leg) beginStart() {
	l.start = shakes
	unread := l.unread
	l.unread, l.move.to = nil, nil
	l.offer, l.fin = false, false
	if l.drops {
		l.dropped = int32(len(unread))
	}
	if l.werr != nil {
		l.startFailed(l.werr)
		return
	}
	if !l.drops && len(unread) > 0 {
		l.tls.bio.Feed(unread)
		l.tls.bio.Keep()
	}
	wait := bounds.HandshakeTime
	if l.endpoint != nil {
		wait = connectTime(l.endpoint)
	}
	l.limit(l.loop.now + int64(wait))
	if l.eof {
		l.tls.bio.FeedEnd()
	}
	l.shake()
	l.resume()
}

// startFailed has Secured answer with an error.
func (l *leg) startFailed(err error) {
	l.start, l.failure = started, err
	l.conn.due = true
}

// answerStart calls Secured. After an error l is closed; an alert may be on its
// way.
func (l *leg) answerStart(c *conn) {
	dropped, err := int(l.dropped), l.failure
	l.start, l.dropped, l.failure = noStart, 0, nil
	if err != nil {
		l.until = 0
		c.detach(l)
		c.core.Secured(l.loop.now, l.id, dropped, err, c)
		l.finish(engine.Flush)
		return
	}
	c.core.Secured(l.loop.now, l.id, dropped, nil, c)
}
