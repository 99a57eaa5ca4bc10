//go:build linux

package reactor

import (
	"crypto/tls"
	"strings"

	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/internal/proxyhead"
	"casbah/internal/tlsbio"
)

// greeting is what comes before the core of a connection: a PROXY header, then
// a TLS handshake.
type greeting struct {
	info    engine.Conn
	proxied bool // the PROXY header has not come yet
}

// missing returns the reason to refuse a client that does not go on.
func (g *greeting) missing() engine.Reason {
	if g.proxied {
		return engine.ProxyHeader
	}
	return engine.Handshake
}

// greet begins what comes before the core, or makes it.
func (c *conn) greet(l *leg, info engine.Conn, proxied bool) {
	switch {
	case proxied:
		c.greets = &greeting{info: info, proxied: true}
		l.limit(c.loop.now + int64(bounds.ProxyTime))
	case c.ln.TLS != nil:
		c.greets = &greeting{info: info}
		c.handshake(l)
	default:
		c.begin(info)
	}
}

// handshake begins the server side of TLS.
func (c *conn) handshake(l *leg) {
	l.limit(c.loop.now + int64(bounds.HandshakeTime))
	l.secure(tlsbio.Server, c.ln.TLS, c.greets.info.Local, c.greets.info.Remote)
}

// serverName returns the SNI of a finished handshake.
func serverName(s *tls.ConnectionState) string { return strings.ToLower(s.ServerName) }

// readProxyHeader takes the PROXY header off the unread octets of l, once it is
// whole, and goes on to what comes next.
func (l *leg) readProxyHeader() {
	c := l.conn
	g := c.greets
	h, size, err := proxyhead.Parse(l.unread)
	switch {
	case err != nil:
		l.decline(engine.ProxyHeader)
		return
	case size == 0:
		return
	}
	if h.Remote.IsValid() {
		g.info.Remote, g.info.Local = h.Remote, h.Local
		c.origin = &g.info
	}
	l.unread = l.unread[size:]
	l.until, g.proxied = 0, false
	switch {
	case !c.admitSource(g.info.Remote.Addr()):
		l.decline(engine.SourceFull)
	case c.ln.TLS != nil:
		c.handshake(l)
		if len(l.unread) > 0 {
			l.tls.bio.Feed(l.unread)
			l.tls.bio.Keep()
			l.unread = nil
			l.shake()
		}
	default:
		c.begin(g.info)
	}
}

// decline ends a connection that got no core.
func (l *leg) decline(reason engine.Reason) {
	c := l.conn
	c.greets = nil
	c.ln.Refused(reason)
	c.detach(l)
	l.unread = nil
	if reason == engine.SourceFull {
		l.refuse()
		return
	}
	l.hot = false
	if l.tls == nil {
		l.shut()
		return
	}
	l.finish(engine.Flush) // an alert may be on its way
}

// refuse tells a plain client why it is closed.
func (l *leg) refuse() {
	c := l.conn
	if c.ln.TLS != nil || len(c.ln.Refuse) == 0 {
		l.shut()
		return
	}
	l.send(c.ln.Refuse)
	l.finish(engine.Flush)
	l.limit(c.loop.now + int64(bounds.RefusalTime))
}
