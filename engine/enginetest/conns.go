package enginetest

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"

	"casbah/engine"
)

// conns returns what a core is told of its connection.
func conns() []behaviour {
	return []behaviour{
		{"conn-told", connTold, alone},
		{"conn-server-name", connServerName, alone},
		{"conn-address-family", connFamily, alone},
	}
}

// told is a NewCore of echoing cores that passes on what it is told.
func told(infos chan<- engine.Conn) engine.NewCore {
	return func(c engine.Conn) engine.Core {
		infos <- c
		return Echo(c)
	}
}

// addrPort returns the address of a TCP connection.
func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// connTold tells the core who is there.
func connTold(t *trial) {
	t.inModes(func(t *trial, m mode) {
		infos := make(chan engine.Conn, 1)
		s := t.start(engine.Config{}, m.listener(told(infos)))
		nc := m.dial(t, s.at)
		Send(t, nc, "x")
		Expect(t, nc, "x")
		want := engine.Conn{Remote: addrPort(nc.LocalAddr()), Local: s.at}
		if m.secure {
			want.Secure, want.ServerName = true, serverName
		}
		if m.proxied {
			want = proxiedConn
		}
		if got := Receive(t, infos, "core"); got != want {
			t.Errorf("Conn = %+v; want %+v", got, want)
		}
	})
}

// connServerName writes the name that the client asked for in lower case, and
// none where it asked for none.
func connServerName(t *trial) {
	for _, tt := range []struct{ name, asked, want string }{
		{"mixed-case", "LocalHost", "localhost"},
		{"none", "", ""},
		{"other", "Mail.Example.ORG", "mail.example.org"},
	} {
		t.run(tt.name, func(t *trial) {
			infos := make(chan engine.Conn, 1)
			s := t.start(engine.Config{}, overTLS.listener(told(infos)))
			cfg := ClientTLS()
			cfg.ServerName = tt.asked
			cfg.InsecureSkipVerify = true // the certificate has one name
			nc := tls.Client(Dial(t, s.at), cfg)
			Send(t, nc, "x")
			Expect(t, nc, "x")
			if got := Receive(t, infos, "core"); got.ServerName != tt.want || !got.Secure {
				t.Errorf("Conn = %+v; want ServerName %q, Secure", got, tt.want)
			}
		})
	}
}

// connFamily tells an IPv4 client by its IPv4 address, at a socket of IPv6 too.
func connFamily(t *trial) {
	for _, tt := range []struct{ name, at, to string }{
		{"v6", "[::1]:0", "::1"},
		{"v4-at-v6-socket", "[::]:0", "127.0.0.1"},
	} {
		t.run(tt.name, func(t *trial) {
			if ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tt.at))); err != nil {
				t.Skipf("no socket at %s: %v", tt.at, err)
			} else {
				_ = ln.Close()
			}
			infos := make(chan engine.Conn, 1)
			ln := &engine.Listener{New: told(infos), ProxyFrom: fromLoopback}
			s := t.start(engine.Config{}, &engine.Listener{New: Echo})
			at := ServeAt(t, s, netip.MustParseAddrPort(tt.at), ln).Addr()
			to := netip.AddrPortFrom(netip.MustParseAddr(tt.to), at.Port())
			nc := Dial(t, to)
			want := engine.Conn{Remote: addrPort(nc.LocalAddr()), Local: to}
			if to.Addr().Is4() { // listed, so it begins with a header
				_, _ = io.WriteString(nc, "PROXY TCP6 2001:db8::7 2001:db8::10 4711 80\r\n")
				want.Remote, want.Local = netip.MustParseAddrPort("[2001:db8::7]:4711"), netip.MustParseAddrPort("[2001:db8::10]:80")
			}
			Send(t, nc, "x")
			Expect(t, nc, "x")
			if got := Receive(t, infos, "core"); got != want {
				t.Errorf("Conn = %+v; want %+v", got, want)
			}
		})
	}
}
