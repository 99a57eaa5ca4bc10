package netconn

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pires/go-proxyproto"

	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/engine/enginetest"
)

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
		refused := 0
		began := time.Now()
		if err := New(engine.Config{}).serve(ln, &engine.Listener{OnRefuse: func(engine.Reason) { refused++ }}); !errors.Is(err, final) || refused != 12 {
			t.Errorf("serve() = %v, refused %d; want %v, 12", err, refused, final)
		}
		// 5, 10, ... 640 ms, then 1 s each.
		if took, want := time.Since(began), 1275*time.Millisecond+4*time.Second; took != want {
			t.Errorf("serve() waited %v over 12 failures; want %v", took, want)
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

// TestSlowGreeting gives a PROXY header and a handshake their time.
func TestSlowGreeting(t *testing.T) {
	tests := []struct {
		name string
		ln   *engine.Listener
		sent string
		want engine.Reason
		took time.Duration
	}{
		{"proxy-header", &engine.Listener{}, "PRO", engine.ProxyHeader, bounds.ProxyTime},
		{"proxy-header-v1", &engine.Listener{}, "PROXY TCP4 192.0.2.7", engine.ProxyHeader, bounds.ProxyTime},
		{"handshake", &engine.Listener{TLS: enginetest.ServerTLS()}, "\x16\x03\x01", engine.Handshake, bounds.HandshakeTime},
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
				tt.ln.New, tt.ln.OnRefuse = enginetest.Echo, func(r engine.Reason) { reasons <- r }
				e := New(engine.Config{})
				began := time.Now()
				e.ServeConn(from, tt.ln)
				enginetest.Send(t, a, tt.sent)
				if got, took := <-reasons, time.Since(began); got != tt.want || took != tt.took {
					t.Errorf("refused for %v after %v; want %v, %v", got, took, tt.want, tt.took)
				}
				finish(t, e)
				_ = a.Close()
			})
		})
	}
}

// TestSlowStartTLS gives a handshake that begins later its time, while the core
// holds its client too, and closes the leg then.
func TestSlowStartTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		answers := make(chan error, 1)
		ln := &engine.Listener{StartTLS: enginetest.ServerTLS(), New: enginetest.Fixed(&enginetest.Toy{
			OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				d.Hold(l, true)
				d.StartTLS(l, true)
				return len(p)
			},
			OnSecured: func(_ engine.Leg, _ int, err error, _ engine.Driver) { answers <- err },
		})}
		e := New(engine.Config{})
		e.ServeConn(b, ln)
		enginetest.Send(t, a, "STARTTLS\r\n")
		began := time.Now()
		enginetest.Send(t, a, "\x16\x03\x01")
		if err, took := <-answers, time.Since(began); !errors.Is(err, engine.ErrTLSTime) || took != bounds.HandshakeTime {
			t.Errorf("Secured(%v) after %v; want %v after %v", err, took, engine.ErrTLSTime, bounds.HandshakeTime)
		}
		finish(t, e)
		_ = a.Close()
	})
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
