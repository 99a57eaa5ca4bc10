package netconn

import (
	"bytes"
	"crypto/tls"
	"strings"
	"time"

	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/internal/proxyhead"
	"casbah/internal/tlsid"
)

// greet reads what comes before the core: a PROXY header and a TLS handshake.
// It returns why there is to be no core, or 0.
func (c *conn) greet(w *wire) engine.Reason {
	if c.proxied {
		if err := c.readProxyHeader(w.sock); err != nil {
			return engine.ProxyHeader
		}
		if !c.engine.admitSource(c) {
			return engine.SourceFull
		}
	}
	if cfg := c.ln.TLS; cfg != nil {
		if err := c.handshake(w, cfg); err != nil {
			return engine.Handshake
		}
	}
	return 0
}

// readProxyHeader takes the addresses of the connection from a PROXY header,
// which comes in any pieces. What comes behind it is kept.
func (c *conn) readProxyHeader(s *socket) error {
	if err := s.SetReadDeadline(time.Now().Add(bounds.ProxyTime)); err != nil {
		return err
	}
	b := make([]byte, 0, proxyhead.Most)
	for {
		// One that is not whole is shorter than Most, so there is room.
		n, err := s.Conn.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		h, size, parseErr := proxyhead.Parse(b)
		switch {
		case parseErr != nil:
			return parseErr
		case size > 0:
			if h.Remote.IsValid() {
				c.info.Remote, c.info.Local = h.Remote, h.Local
			}
			if len(b) > size {
				s.ahead = bytes.Clone(b[size:])
			}
			return s.SetReadDeadline(time.Time{}) // an error of the read is met again
		case err != nil:
			return err
		}
	}
}

// handshake is the server side of TLS. No context: that would cost a goroutine,
// and whoever closes the socket ends the handshake as well.
func (c *conn) handshake(w *wire, cfg *tls.Config) error {
	if err := w.sock.SetDeadline(time.Now().Add(bounds.HandshakeTime)); err != nil {
		return err
	}
	w.secure(tls.Server, cfg)
	if err := w.tls.Handshake(); err != nil { //nolint:noctx // see above
		return err
	}
	if w.cork.note.Over() {
		return tlsid.ErrOver
	}
	c.info.Secure = true
	state := w.tls.ConnectionState()
	c.info.ServerName = strings.ToLower(state.ServerName)
	c.info.Session = w.cork.note.ID(state.DidResume)
	if len(state.PeerCertificates) > 0 {
		c.info.Shown = state.PeerCertificates[0]
	}
	return w.sock.SetDeadline(time.Time{})
}
