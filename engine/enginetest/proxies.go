package enginetest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"

	"casbah/balance"
	"casbah/engine"
)

// proxies returns how servers are told who the client is.
func proxies() []behaviour {
	return []behaviour{
		{"proxy-out", proxyOut, alone},
		{"proxy-out-own-connection", proxyOutOwn, alone},
		{"transparent", comeFromClients, alone},
		{"transparent-family", otherFamily, alone},
	}
}

// proxyOut begins a connection to a server with the header that its endpoint asks
// for, ahead of TLS and of what the core sends, or of the server's own greeting.
func proxyOut(t *trial) {
	for _, m := range []mode{plain, overTLS, proxyV2} {
		for _, version := range []int{1, 2} {
			for _, secure := range []bool{false, true} {
				t.run(fmt.Sprintf("%s/v%d/upstream-tls=%v", m.name, version, secure), func(t *trial) {
					proxyOutIn(t, m, version, secure)
				})
			}
		}
	}
}

func proxyOutIn(t *trial, m mode, version int, secure bool) {
	got := make(chan *proxyproto.Header, 1)
	up := Upstream(t, false, func(nc net.Conn) {
		in := bufio.NewReader(nc)
		h, err := proxyproto.Read(in)
		if err != nil {
			t.Errorf("the server reads no header: %v", err)
			return
		}
		got <- h
		nc = &buffered{nc, in}
		if secure {
			nc = tls.Server(nc, ServerTLS())
		}
		_, _ = io.WriteString(nc, "hello")
		_, _ = io.Copy(nc, nc)
	})
	up.ProxyProtocol = version
	if secure {
		up.TLS = ClientTLS()
	}
	s := t.start(engine.Config{}, m.listener(Relay(up, true)))
	nc := m.dial(t, s.at)
	Send(t, nc, "early")
	Expect(t, nc, "helloearly")
	h := Receive(t, got, "header")
	want := engine.Conn{Remote: addrPort(nc.LocalAddr()), Local: s.at}
	if m.proxied {
		want = proxiedConn
	}
	from, to, _ := h.TCPAddrs()
	if h.Version != byte(version) || h.Command.IsLocal() || from.AddrPort() != want.Remote || to.AddrPort() != want.Local {
		t.Errorf("header of version %d from %v to %v; want %d, %v, %v", h.Version, from, to, version, want.Remote, want.Local)
	}
}

// buffered is a connection that is read through a buffer.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (c *buffered) Read(p []byte) (int, error) { return c.in.Read(p) }

// proxyOutOwn neither parks a connection that names a client nor reuses one: its
// server would take the next client for that one.
func proxyOutOwn(t *trial) {
	sources := make(chan netip.AddrPort, 4)
	up := Upstream(t, false, func(nc net.Conn) {
		in := bufio.NewReader(nc)
		if h, err := proxyproto.Read(in); err == nil {
			from, _, _ := h.TCPAddrs()
			sources <- from.AddrPort()
		}
		_, _ = io.WriteString(nc, "hello")
		_, _ = io.Copy(io.Discard, in)
	})
	up.ProxyProtocol = 2
	s := t.start(engine.Config{}, ownConnections(t, up))
	for range 3 {
		nc := Dial(t, s.at)
		Expect(t, nc, "hello")
		ExpectEnd(t, nc)
		if got := Receive(t, sources, "header"); got != addrPort(nc.LocalAddr()) {
			t.Errorf("the server was told of %v; want %v", got, nc.LocalAddr())
		}
		_ = nc.Close()
		Wait(t, s)
	}
}

// ownConnections passes on what a server says first, and asks to park and to reuse
// connections that must be one client's each.
func ownConnections(t *trial, up *balance.Endpoint) *engine.Listener {
	return &engine.Listener{New: func(engine.Conn) engine.Core {
		return &Toy{
			OnOpen: func(_ int64, d engine.Driver) { d.Dial(up, true) },
			OnDialed: func(_ engine.Leg, reused bool, err error, _ engine.Driver) {
				if reused || err != nil {
					t.Errorf("Dialed(reused=%v, %v); want a connection of its own", reused, err)
				}
			},
			OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				d.Send(engine.Client, p)
				d.Close(l, engine.Park)
				d.Close(engine.Client, engine.Flush)
				return len(p)
			},
		}
	}}
}
