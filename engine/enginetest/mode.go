package enginetest

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/pires/go-proxyproto"

	"casbah/engine"
)

// proxiedConn is what a client of the proxy-v2 mode is told to be.
var proxiedConn = engine.Conn{
	Remote: netip.MustParseAddrPort("192.0.2.7:4711"),
	Local:  netip.MustParseAddrPort("192.0.2.10:80"),
}

// client is a connection that can send FIN.
type client interface {
	net.Conn
	CloseWrite() error
}

// mode is a way to come to a core.
type mode struct {
	name    string
	secure  bool // TLS
	proxied bool // with a PROXY header of version 2
}

// The modes.
var (
	plain   = mode{name: "plain"}
	overTLS = mode{name: "tls", secure: true}
	proxyV2 = mode{name: "proxy-v2", proxied: true}
)

// modes returns all.
func modes() []mode { return []mode{plain, overTLS, proxyV2} }

// inModes runs f in every mode.
func (t *trial) inModes(f func(t *trial, m mode)) {
	t.Helper()
	for _, m := range modes() {
		t.run(m.name, func(t *trial) { f(t, m) })
	}
}

// inModesTogether is inModes, at the same time.
func (t *trial) inModesTogether(f func(t *trial, m mode)) {
	t.Helper()
	var all sync.WaitGroup
	for _, m := range modes() {
		all.Go(func() { t.run(m.name, func(t *trial) { f(t, m) }) })
	}
	all.Wait()
}

// listener returns a listener of the mode.
func (m mode) listener(makes engine.NewCore) *engine.Listener {
	ln := &engine.Listener{New: makes}
	if m.secure {
		ln.TLS = ServerTLS()
	}
	if m.proxied {
		ln.ProxyFrom = fromLoopback
	}
	return ln
}

// fromLoopback lists every client of these tests.
var fromLoopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// dial connects in the mode.
func (m mode) dial(tb testing.TB, to netip.AddrPort) client {
	tb.Helper()
	nc := Dial(tb, to)
	if m.proxied {
		header := proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(proxiedConn.Remote), net.TCPAddrFromAddrPort(proxiedConn.Local))
		if _, err := header.WriteTo(nc); err != nil {
			tb.Fatal(err)
		}
	}
	return m.over(nc)
}

// over returns the client over a connection.
func (m mode) over(nc *net.TCPConn) client {
	if m.secure {
		return tls.Client(nc, ClientTLS())
	}
	return nc
}
