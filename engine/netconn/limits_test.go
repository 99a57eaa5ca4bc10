package netconn

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pires/go-proxyproto"

	"casbah/engine"
)

// proxiedConn is what the proxy-v2 mode tells.
var proxiedConn = engine.Conn{
	Remote: netip.MustParseAddrPort("192.0.2.7:4711"),
	Local:  netip.MustParseAddrPort("192.0.2.10:80"),
}

const sorry = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// TestLimits refuses the connection over each limit, and lets one in when
// another has gone.
func TestLimits(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		max  int // of the listener
		want engine.Reason
	}{
		{"engine", engine.Config{MaxConns: 2}, 0, engine.EngineFull},
		{"listener", engine.Config{}, 2, engine.ListenerFull},
		{"source", engine.Config{MaxPerSource: 2}, 0, engine.SourceFull},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inModes(t, func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client) {
				reasons := make(chan engine.Reason, 1)
				var opened, closed atomic.Int64
				left := make(chan struct{}, 8)
				ln.New, ln.MaxConns, ln.Refuse = echo, tt.max, []byte(sorry)
				ln.OnRefuse = func(r engine.Reason) { reasons <- r }
				ln.OnOpen, ln.OnClose = func() { opened.Add(1) }, func() { closed.Add(1); left <- struct{}{} }
				e := start(t, tt.cfg, ln)
				in := []client{connect(t), connect(t)}
				for _, nc := range in {
					send(t, nc, "x")
					expect(t, nc, "x")
				}
				over := connect(t)
				if ln.TLS == nil {
					send(t, over, "GET / HTTP/1.1\r\n\r\n")
					expect(t, over, sorry)
					expectEnd(t, over)
				} else if _, err := over.Write([]byte("x")); err == nil {
					t.Error("a handshake over the limit came through")
				}
				if got := receive(t, reasons, "refusal"); got != tt.want {
					t.Errorf("refused for %v; want %v", got, tt.want)
				}
				_ = over.Close()
				_ = in[0].Close()
				receive(t, left, "end of the first")
				wentTo(t, e, 1)
				again := connect(t)
				send(t, again, "y")
				expect(t, again, "y")
				e.Kill()
				wait(t, e)
				if opened.Load() != closed.Load() || opened.Load() < 3 {
					t.Errorf("opened %d, closed %d; want the same, and 3 or more", opened.Load(), closed.Load())
				}
				if len(e.sources) != 0 {
					t.Errorf("%d sources are left; want none", len(e.sources))
				}
			})
		})
	}
}

// TestStopping refuses connections after Drain.
func TestStopping(t *testing.T) {
	reasons := make(chan engine.Reason, 1)
	e := New(engine.Config{})
	e.Drain()
	a, b := net.Pipe()
	e.ServeConn(b, &engine.Listener{New: echo, OnRefuse: func(r engine.Reason) { reasons <- r }})
	expectEnd(t, a)
	if got := <-reasons; got != engine.Stopping {
		t.Errorf("refused for %v; want %v", got, engine.Stopping)
	}
}

// TestAcceptOutlivesShortage waits longer and longer while Accept fails, and
// ends with what is no shortage.
func TestAcceptOutlivesShortage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &brokenListener{errs: make([]error, 12)}
		for i := range ln.errs {
			ln.errs[i] = &net.OpError{Op: "accept", Err: []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}[i%4]}
		}
		final := errors.New("the listener broke")
		ln.errs = append(ln.errs, final)
		began := time.Now()
		if err := New(engine.Config{}).Serve(&engine.Listener{Net: ln}); !errors.Is(err, final) {
			t.Errorf("Serve() = %v; want %v", err, final)
		}
		// 5, 10, ... 640 ms, then 1 s each.
		if took, want := time.Since(began), 1275*time.Millisecond+4*time.Second; took != want {
			t.Errorf("Serve() waited %v over 12 failures; want %v", took, want)
		}
	})
}

// brokenListener fails with its errors.
type brokenListener struct {
	net.Listener
	errs []error
}

func (l *brokenListener) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}

// TestProxyRules reads headers from listed senders only, and refuses those
// without.
func TestProxyRules(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	others := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	const v1 = "PROXY TCP4 192.0.2.7 192.0.2.10 4711 80\r\n"
	local := string([]byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"))
	tests := []struct {
		name   string
		from   []netip.Prefix
		sent   string
		echoed string // empty: refused
		remote string // address of the client; empty: of the connection
	}{
		{"v1", loopback, v1 + "hello", "hello", "192.0.2.7:4711"},
		{"local", loopback, local + "hello", "hello", ""},
		{"none", loopback, "hello, no header", "", ""},
		{"broken", loopback, "PROXY TCP4 elsewhere\r\nhello", "", ""},
		{"not-listed", others, v1 + "hello", v1 + "hello", ""},
		{"nobody", nil, v1 + "hello", v1 + "hello", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			infos, reasons := make(chan engine.Conn, 1), make(chan engine.Reason, 1)
			ln := &engine.Listener{OnRefuse: func(r engine.Reason) { reasons <- r }, Refuse: []byte("not for these")}
			ln.New = func(c engine.Conn) engine.Core {
				infos <- c
				return echo(c)
			}
			ln.SetProxyFrom(tt.from)
			e := start(t, engine.Config{}, ln)
			nc := dial(t, ln)
			send(t, nc, tt.sent)
			if tt.echoed == "" {
				if got := receive(t, reasons, "refusal"); got != engine.ProxyHeader {
					t.Errorf("refused for %v; want %v", got, engine.ProxyHeader)
				}
				if p, _ := io.ReadAll(nc); len(p) > 0 {
					t.Errorf("read %q; want nothing", p)
				}
				wait(t, e)
				return
			}
			expect(t, nc, tt.echoed)
			want := tt.remote
			if want == "" {
				want = nc.LocalAddr().String()
			}
			if got := receive(t, infos, "core").Remote.String(); got != want {
				t.Errorf("Remote = %v; want %v", got, want)
			}
		})
	}
}

// TestSlowGreeting gives a PROXY header and a handshake their time.
func TestSlowGreeting(t *testing.T) {
	tests := []struct {
		name string
		ln   *engine.Listener
		sent string
		want engine.Reason
		took time.Duration
	}{
		{"proxy-header", &engine.Listener{}, "PRO", engine.ProxyHeader, proxyTime},
		{"handshake", &engine.Listener{TLS: serverTLS()}, "\x16\x03\x01", engine.Handshake, handshakeTime},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				from := &addressed{b}
				if tt.want == engine.ProxyHeader {
					tt.ln.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
				}
				reasons := make(chan engine.Reason, 1)
				tt.ln.New, tt.ln.OnRefuse = echo, func(r engine.Reason) { reasons <- r }
				e := New(engine.Config{})
				began := time.Now()
				e.ServeConn(from, tt.ln)
				send(t, a, tt.sent)
				if got, took := <-reasons, time.Since(began); got != tt.want || took != tt.took {
					t.Errorf("refused for %v after %v; want %v, %v", got, took, tt.want, tt.took)
				}
				if err := e.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				_ = a.Close()
			})
		})
	}
}

// addressed is a pipe from 192.0.2.1.
type addressed struct{ net.Conn }

func (*addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

// FuzzProxyHeader reads whatever a listed sender sends: either the rest is
// exactly what is behind a header, or the connection is refused.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 192.0.2.10 4711 80\r\nhello"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00hello"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, b := net.Pipe()
		go func() { _, _ = a.Write(in); _ = a.Close() }()
		c := &conn{}
		s := newSocket(b)
		err := c.readProxyHeader(s)
		if err != nil {
			_ = b.Close()
			return
		}
		rest, _ := io.ReadAll(s)
		if len(rest) > len(in) || string(rest) != string(in[len(in)-len(rest):]) {
			t.Errorf("rest = %q of %q; want a suffix", rest, in)
		}
		head := in[:len(in)-len(rest)]
		if string(head[:min(5, len(head))]) != "PROXY" && string(head[:min(12, len(head))]) != string(proxyproto.SIGV2) {
			t.Errorf("%q was accepted as a header", head)
		}
		_ = b.Close()
	})
}
