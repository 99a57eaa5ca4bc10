package netconn

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"

	"casbah/engine"
)

// The time for what comes before a core.
const (
	proxyTime     = 5 * time.Second  // for a PROXY header
	handshakeTime = 10 * time.Second // for a TLS handshake
)

// proxyRead is how much one read takes at the begin of a connection with a
// PROXY header; what comes behind the header is kept.
const proxyRead = 512

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

// readProxyHeader takes the addresses of the connection from a PROXY header.
// A LOCAL one is of a connection that the proxy itself makes, to probe: it has
// its own addresses.
func (c *conn) readProxyHeader(s *socket) error {
	if err := s.SetReadDeadline(time.Now().Add(proxyTime)); err != nil {
		return err
	}
	r := bufio.NewReaderSize(s.Conn, proxyRead)
	h, err := proxyproto.Read(r)
	if err != nil {
		return err
	}
	if from, to, ok := h.TCPAddrs(); ok && !h.Command.IsLocal() {
		c.info.Remote, c.info.Local = addrPort(from), addrPort(to)
	}
	if n := r.Buffered(); n > 0 {
		rest, err := r.Peek(n)
		if err != nil {
			return err
		}
		s.ahead = bytes.Clone(rest)
	}
	return s.SetReadDeadline(time.Time{})
}

// handshake is the server side of TLS. No context: that would cost a goroutine,
// and whoever closes the socket ends the handshake as well.
func (c *conn) handshake(w *wire, cfg *tls.Config) error {
	if err := w.sock.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return err
	}
	w.secure(tls.Server, cfg)
	if err := w.tls.Handshake(); err != nil { //nolint:noctx // see above
		return err
	}
	c.info.Secure = true
	c.info.ServerName = strings.ToLower(w.tls.ConnectionState().ServerName)
	return w.sock.SetDeadline(time.Time{})
}
