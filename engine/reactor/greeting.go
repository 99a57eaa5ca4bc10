//go:build linux

package reactor

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"

	"casbah/engine"
	"casbah/internal/tlsbio"
)

// The time for what comes before a core.
const (
	proxyTime     = 5 * time.Second  // for a PROXY header
	handshakeTime = 10 * time.Second // for a TLS handshake
)

// handshakeFailed is the reason of decline for a handshake that failed.
const handshakeFailed = engine.Handshake

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
		l.limit(c.loop.now + int64(proxyTime))
	case c.ln.TLS != nil:
		c.greets = &greeting{info: info}
		c.handshake(l)
	default:
		c.begin(info)
	}
}

// handshake begins the server side of TLS.
func (c *conn) handshake(l *leg) {
	l.limit(c.loop.now + int64(handshakeTime))
	l.secure(tlsbio.Server, c.ln.TLS, c.greets.info.Local, c.greets.info.Remote)
}

// serverName returns the SNI of a finished handshake.
func serverName(s tls.ConnectionState) string { return strings.ToLower(s.ServerName) }

// greet reads the PROXY header off the unread octets of l, once it is whole.
func (l *leg) greet() {
	c := l.conn
	g := c.greets
	size, whole := proxyHeaderSize(l.unread)
	if !whole {
		if size > proxyHeaderMost || len(l.unread) >= proxyHeaderMost {
			l.decline(engine.ProxyHeader)
		}
		return
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(l.unread[:size]), proxyHeaderMost))
	if err != nil {
		l.decline(engine.ProxyHeader)
		return
	}
	// A LOCAL header is of a connection that the proxy itself makes, to probe:
	// it has its own addresses.
	if from, to, ok := h.TCPAddrs(); ok && !h.Command.IsLocal() {
		g.info.Remote, g.info.Local = tcpAddr(from), tcpAddr(to)
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

// proxyHeaderMost is the longest PROXY header that is taken, in octets. Version
// 1 has 107 at most; of version 2 this leaves more than a kilobyte for TLVs.
const proxyHeaderMost = 2 << 10

// proxySignature begins a header of version 2.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// proxyHeaderSize returns the length of the PROXY header at the start of p, as
// far as it is known, and whether p holds all of it. What cannot be one is
// whole, so that the parser says so.
func proxyHeaderSize(p []byte) (size int, whole bool) {
	const fixed = len(proxySignature) + 4 // version 2: then addresses and TLVs
	n := min(len(p), len(proxySignature))
	if string(p[:n]) == proxySignature[:n] {
		if len(p) < fixed {
			return fixed, false
		}
		size = fixed + int(binary.BigEndian.Uint16(p[fixed-2:]))
		return size, size <= len(p) && size <= proxyHeaderMost
	}
	const longest = 107 // version 1: one line
	if i := bytes.IndexByte(p[:min(len(p), longest)], '\n'); i >= 0 {
		return i + 1, true
	}
	if m := min(len(p), 6); string(p[:m]) != "PROXY "[:m] || len(p) >= longest {
		return len(p), true
	}
	return longest, false
}

// tcpAddr returns a as cores and limits use it.
func tcpAddr(a *net.TCPAddr) netip.AddrPort {
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
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

// refusalTime is for a refused client to take the answer and to close.
const refusalTime = 500 * time.Millisecond

// refuse tells a plain client why it is closed.
func (l *leg) refuse() {
	c := l.conn
	if c.ln.TLS != nil || len(c.ln.Refuse) == 0 {
		l.shut()
		return
	}
	l.send(c.ln.Refuse)
	l.finish(engine.Flush)
	l.limit(c.loop.now + int64(refusalTime))
}
