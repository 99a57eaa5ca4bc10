package enginetest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/pires/go-proxyproto"

	"casbah/engine"
)

// greetings returns what comes before a core: a PROXY header, a handshake.
func greetings() []behaviour {
	return []behaviour{
		{"greet-proxy-rules", proxyRules, alone},
		{"greet-proxy-then-tls", proxyThenTLS, alone},
		{"greet-set-proxy-from", setProxyFrom, alone},
		{"greet-by-octets", greetByOctets, alone},
		{"greet-broken", greetBroken, alone},
		{"greet-resumes", resumes, alone},
	}
}

// proxyV1 is a header of version 1, and proxyLocal one of version 2 that a
// proxy sends for itself.
const (
	proxyV1    = "PROXY TCP4 192.0.2.7 192.0.2.10 4711 80\r\n"
	proxyLocal = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
)

// longV1 returns a header of version 1 with that many octets, which names no
// addresses.
func longV1(n int) string {
	const unknown = "PROXY UNKNOWN "
	return unknown + strings.Repeat("f", n-len(unknown)-2) + "\r\n"
}

// headerV2 returns a header of version 2 as it goes over the wire.
func headerV2(t *trial, c engine.Conn, tlvs ...proxyproto.TLV) string {
	t.Helper()
	header := proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(c.Remote), net.TCPAddrFromAddrPort(c.Local))
	if err := header.SetTLVs(tlvs); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := header.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// proxyRules reads headers from listed senders only, and refuses those that
// send none.
func proxyRules(t *trial) {
	others := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	v6 := engine.Conn{Remote: netip.MustParseAddrPort("[2001:db8::7]:4711"), Local: netip.MustParseAddrPort("[2001:db8::10]:80")}
	long := proxyproto.TLV{Type: proxyproto.PP2_TYPE_MIN_CUSTOM, Value: bytes.Repeat([]byte("x"), 400)}
	tests := []struct {
		name   string
		from   []netip.Prefix
		sent   string
		echoed string      // empty: refused
		want   engine.Conn // zero: the addresses of the connection
	}{
		{"v1", fromLoopback, proxyV1 + "hello", "hello", proxiedConn},
		{"v1-unknown", fromLoopback, "PROXY UNKNOWN\r\nhello", "hello", engine.Conn{}},
		{"v2", fromLoopback, headerV2(t, proxiedConn) + "hello", "hello", proxiedConn},
		{"v2-ipv6", fromLoopback, headerV2(t, v6) + "hello", "hello", v6},
		{"v2-long", fromLoopback, headerV2(t, proxiedConn, long) + "hello", "hello", proxiedConn},
		{"v2-local", fromLoopback, proxyLocal + "hello", "hello", engine.Conn{}},
		{"v1-longest", fromLoopback, longV1(107) + "hello", "hello", engine.Conn{}},
		{"v1-too-long", fromLoopback, longV1(108) + "hello", "", engine.Conn{}},
		{"v1-endless", fromLoopback, longV1(1000)[:900], "", engine.Conn{}},
		{"none", fromLoopback, "hello, no header", "", engine.Conn{}},
		{"broken", fromLoopback, "PROXY TCP4 elsewhere\r\nhello", "", engine.Conn{}},
		{"not-listed", others, proxyV1 + "hello", proxyV1 + "hello", engine.Conn{}},
		{"nobody", nil, proxyV1 + "hello", proxyV1 + "hello", engine.Conn{}},
	}
	for _, tt := range tests {
		t.run(tt.name, func(t *trial) {
			infos, reasons := make(chan engine.Conn, 1), make(chan engine.Reason, 1)
			s := t.start(engine.Config{}, &engine.Listener{
				New: told(infos), ProxyFrom: tt.from, Refuse: []byte("not for these"),
				OnRefuse: func(r engine.Reason) { reasons <- r },
			})
			nc := Dial(t, s.at)
			Send(t, nc, tt.sent)
			if tt.echoed == "" {
				refused(t, nc, reasons, engine.ProxyHeader)
				Wait(t, s)
				return
			}
			Expect(t, nc, tt.echoed)
			want := tt.want
			if !want.Remote.IsValid() {
				want = engine.Conn{Remote: addrPort(nc.LocalAddr()), Local: s.at}
			}
			if got := Receive(t, infos, "core"); got != want {
				t.Errorf("Conn = %+v; want %+v", got, want)
			}
		})
	}
}

// refused waits until nc was refused without a word.
func refused(t *trial, nc net.Conn, reasons <-chan engine.Reason, want engine.Reason) {
	t.Helper()
	if got := Receive(t, reasons, "refusal"); got != want {
		t.Errorf("refused for %v; want %v", got, want)
	}
	if p, err := io.ReadAll(nc); len(p) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %q, %v; want the end", p, err)
	}
}

// proxyThenTLS reads the header in front of a handshake, even if both come at
// once.
func proxyThenTLS(t *trial) {
	infos := make(chan engine.Conn, 1)
	ln := overTLS.listener(told(infos))
	ln.ProxyFrom = fromLoopback
	s := t.start(engine.Config{}, ln)
	nc := tls.Client(&prefixed{Conn: Dial(t, s.at), prefix: []byte(proxyV1)}, ClientTLS())
	Send(t, nc, "x")
	Expect(t, nc, "x")
	want := proxiedConn
	want.Secure, want.ServerName = true, serverName
	if got := Receive(t, infos, "core"); got != want {
		t.Errorf("Conn = %+v; want %+v", got, want)
	}
}

// prefixed is a connection that writes a prefix with its first octets.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (c *prefixed) Write(p []byte) (int, error) {
	n := len(c.prefix)
	all := append(c.prefix, p...)
	c.prefix = nil
	m, err := c.Conn.Write(all)
	return max(m-n, 0), err
}

// setProxyFrom lists a sender while the listener is served.
func setProxyFrom(t *trial) {
	infos := make(chan engine.Conn, 2)
	ln := &engine.Listener{New: told(infos)}
	s := t.start(engine.Config{}, ln)
	for _, listed := range []bool{false, true} {
		echoed := proxyV1 + "x"
		if listed {
			ln.SetProxyFrom(fromLoopback)
			echoed = "x"
		}
		nc := Dial(t, s.at)
		Send(t, nc, proxyV1+"x")
		Expect(t, nc, echoed)
		if got := Receive(t, infos, "core").Remote; (got == proxiedConn.Remote) != listed {
			t.Errorf("Remote = %v with listed=%v", got, listed)
		}
	}
}

// dribbler is a connection that sends octet by octet.
type dribbler struct{ net.Conn }

func (d *dribbler) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		delivered(d.Conn) // alone
	}
	return len(p), nil
}

// greetByOctets reads a header and a handshake that come octet by octet, and
// records after that. Version 1 has its header sent at once (Section 2.1), which
// a path with small segments does not keep.
func greetByOctets(t *trial) {
	for _, tt := range []struct {
		name, header string
		m            mode
	}{
		{"plain", headerV2(t, proxiedConn), plain},
		{"tls", headerV2(t, proxiedConn), overTLS},
		{"v1-plain", proxyV1, plain},
		{"v1-tls", proxyV1, overTLS},
	} {
		t.run(tt.name, func(t *trial) {
			m := tt.m
			infos := make(chan engine.Conn, 1)
			ln := m.listener(told(infos))
			ln.ProxyFrom = fromLoopback
			s := t.start(engine.Config{}, ln)
			nc := net.Conn(&dribbler{Dial(t, s.at)})
			Send(t, nc, tt.header)
			if m.secure {
				cfg := ClientTLS()
				cfg.CurvePreferences = []tls.CurveID{tls.X25519} // fewer octets
				nc = tls.Client(nc, cfg)
			}
			Send(t, nc, "hello")
			Expect(t, nc, "hello")
			if got := Receive(t, infos, "core"); got.Remote != proxiedConn.Remote || got.Secure != m.secure {
				t.Errorf("Conn = %+v; want Remote %v, Secure %v", got, proxiedConn.Remote, m.secure)
			}
		})
	}
}

// greetBroken refuses clients that end or break off before there is a core, and
// counts them in and out.
func greetBroken(t *trial) {
	tests := []struct {
		name  string
		m     mode
		sent  string
		close func(nc *net.TCPConn)
		want  engine.Reason
	}{
		{"proxy-header-fin", proxyV2, "PRO", func(nc *net.TCPConn) { _ = nc.CloseWrite() }, engine.ProxyHeader},
		{"proxy-header-reset", proxyV2, "PRO", func(nc *net.TCPConn) { resetConn(nc) }, engine.ProxyHeader},
		{"proxy-header-silent-fin", proxyV2, "", func(nc *net.TCPConn) { _ = nc.CloseWrite() }, engine.ProxyHeader},
		{"handshake-fin", overTLS, "\x16\x03\x01", func(nc *net.TCPConn) { _ = nc.CloseWrite() }, engine.Handshake},
		{"handshake-reset", overTLS, "\x16\x03\x01", func(nc *net.TCPConn) { resetConn(nc) }, engine.Handshake},
		{"handshake-silent-fin", overTLS, "", func(nc *net.TCPConn) { _ = nc.CloseWrite() }, engine.Handshake},
		{"handshake-plain", overTLS, "GET / HTTP/1.1\r\n\r\n", func(*net.TCPConn) {}, engine.Handshake},
	}
	for _, tt := range tests {
		t.run(tt.name, func(t *trial) {
			reasons := make(chan engine.Reason, 1)
			var opened, closed atomic.Int64
			ln := tt.m.listener(Echo)
			ln.OnRefuse = func(r engine.Reason) { reasons <- r }
			ln.OnOpen, ln.OnClose = func() { opened.Add(1) }, func() { closed.Add(1) }
			s := t.start(engine.Config{}, ln)
			nc := Dial(t, s.at)
			Send(t, nc, tt.sent)
			Becomes(t, "connections that were opened", func() int { return int(opened.Load()) }, 1)
			tt.close(nc)
			if got := Receive(t, reasons, "refusal"); got != tt.want {
				t.Errorf("refused for %v; want %v", got, tt.want)
			}
			_ = nc.Close()
			Wait(t, s)
			if opened.Load() != 1 || closed.Load() != 1 || ln.Open() != 0 {
				t.Errorf("opened %d, closed %d, open %d; want 1, 1, 0", opened.Load(), closed.Load(), ln.Open())
			}
		})
	}
}
