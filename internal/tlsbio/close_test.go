package tlsbio

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
)

// TestCloseAtEveryStep ends both sides after any number of octets of the
// handshake: no coroutine is left, and nothing is sent.
func TestCloseAtEveryStep(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		server, client := serverConfig(version), clientConfig()
		steps := 0
		for stop := 0; ; stop += 53 {
			before := runtime.NumGoroutine()
			p := newPair(t, client, server)
			finished := p.shakeUntil(t, stop)
			parked := p.client.shake != nil || p.server.shake != nil
			if !finished && !parked {
				t.Fatalf("after %d octets nobody waits", stop)
			}
			sent := len(p.up.b) + len(p.down.b)
			p.client.Close()
			p.server.Close()
			if p.client.shake != nil || p.server.shake != nil {
				t.Fatalf("after %d octets: Close leaves a coroutine", stop)
			}
			if after := runtime.NumGoroutine(); after > before {
				t.Fatalf("after %d octets: Close leaves %d goroutines", stop, after-before)
			}
			if n := len(p.up.b) + len(p.down.b); n != sent {
				t.Fatalf("after %d octets: Close sends %d more", stop, n-sent)
			}
			if done, err := p.server.Handshake(); done || !errors.Is(err, net.ErrClosed) {
				t.Fatalf("after %d octets: Handshake() = %v, %v after Close", stop, done, err)
			}
			if steps++; finished {
				break
			}
		}
		if steps < 20 {
			t.Errorf("%d steps; want one per 53 octets", steps)
		}
	})
}

// shakeUntil runs the handshake for n octets, fed one by one. It reports
// whether it ended before.
func (p *pair) shakeUntil(tb testing.TB, n int) bool {
	tb.Helper()
	p.client.Handshake()
	for range n {
		from, to := &p.up, p.server
		if len(from.b) == 0 {
			from, to = &p.down, p.client
		}
		if len(from.b) == 0 || to.Done() {
			return true
		}
		to.Feed(from.b[:1])
		from.b = from.b[1:]
		if _, err := to.Handshake(); err != nil {
			tb.Fatal(err)
		}
	}
	return p.client.Done() && p.server.Done()
}

// callbacks are the ways in which a configuration runs code of ours within the
// handshake: each puts f somewhere.
var callbacks = []struct {
	name string
	set  func(client, server *tls.Config, f func())
}{
	{"GetConfigForClient", func(_, server *tls.Config, f func()) {
		server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { f(); return nil, nil }
	}},
	{"GetCertificate", func(_, server *tls.Config, f func()) {
		cert := server.Certificates[0]
		server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { f(); return &cert, nil }
	}},
	{"WrapSession", func(_, server *tls.Config, f func()) {
		server.WrapSession = func(tls.ConnectionState, *tls.SessionState) ([]byte, error) { f(); return []byte("ticket"), nil }
	}},
	{"server-VerifyConnection", func(_, server *tls.Config, f func()) {
		server.VerifyConnection = func(tls.ConnectionState) error { f(); return nil }
	}},
	{"client-VerifyConnection", func(client, _ *tls.Config, f func()) {
		client.VerifyConnection = func(tls.ConnectionState) error { f(); return nil }
	}},
	{"GetClientCertificate", func(client, server *tls.Config, f func()) {
		server.ClientAuth = tls.RequestClientCert
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { f(); return new(tls.Certificate), nil }
	}},
	{"VerifyPeerCertificate", func(client, _ *tls.Config, f func()) {
		client.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { f(); return nil }
	}},
}

// forCallbacks runs a test with each version and callback. set puts f there.
func forCallbacks(t *testing.T, test func(t *testing.T, client, server *tls.Config, set func(f func()))) {
	t.Helper()
	forVersions(t, func(t *testing.T, version uint16) {
		for _, cb := range callbacks {
			t.Run(cb.name, func(t *testing.T) {
				goroutines(t)
				client, server := clientConfig(), serverConfig(version)
				client.ClientSessionCache = tls.NewLRUClientSessionCache(1) // asks for tickets
				test(t, client, server, func(f func()) { cb.set(client, server, f) })
			})
		}
	})
}

// explode is where TestPanic's callbacks panic.
func explode() { panic("boom") }

// TestPanic: a panic within a callback is one of Handshake, on the goroutine of
// its caller, after the first step as after any.
func TestPanic(t *testing.T) {
	forCallbacks(t, func(t *testing.T, client, server *tls.Config, set func(func())) {
		set(explode)
		p := newPair(t, client, server)
		got := func() (v any) {
			defer func() { v = recover() }()
			return p.shakeIn(1)
		}()
		if panicked, ok := got.(*Panic); !ok || panicked.Value != "boom" || !strings.Contains(string(panicked.Stack), "tlsbio.explode") {
			t.Fatalf("recovered %v; want boom, and the stack on which it was", got)
		}
		broken := p.server
		if p.client.inErr != nil {
			broken = p.client
		}
		if broken.shake != nil {
			t.Error("the coroutine is still held")
		}
		if done, err := broken.Handshake(); done || !errors.Is(err, errPanicked) {
			t.Errorf("Handshake() = %v, %v; want %v", done, err, errPanicked)
		}
		if err := broken.Write([]byte("x")); !errors.Is(err, errPanicked) {
			t.Errorf("Write() = %v; want %v", err, errPanicked)
		}
		p.client.Close()
		p.server.Close()
	})
}

// TestGoexit: a callback that ends its goroutine ends that of Handshake.
func TestGoexit(t *testing.T) {
	forCallbacks(t, func(t *testing.T, client, server *tls.Config, set func(func())) {
		set(runtime.Goexit)
		p := newPair(t, client, server)
		returned := false
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = p.shakeIn(1)
			returned = true
		}()
		<-ended
		if returned {
			t.Error("Handshake returned")
		}
		p.client.Close()
		p.server.Close()
	})
}

// TestCloseWithinCallback ends the handshake with the step in which it is.
func TestCloseWithinCallback(t *testing.T) {
	forCallbacks(t, func(t *testing.T, client, server *tls.Config, set func(func())) {
		var p *pair
		set(func() {
			p.client.Close()
			p.server.Close()
			p.up.take()
			p.down.take()
		})
		p = newPair(t, client, server)
		if err := p.shakeIn(1); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("handshake = %v; want %v", err, net.ErrClosed)
		}
		if p.client.shake != nil || p.server.shake != nil || p.client.Done() && p.server.Done() {
			t.Error("the handshake goes on")
		}
		if n := len(p.up.b) + len(p.down.b); n != 0 {
			t.Errorf("%d octets are sent after Close", n)
		}
	})
}

// TestHandshakeWithinCallback is a mistake of the caller, and said to be one.
func TestHandshakeWithinCallback(t *testing.T) {
	goroutines(t)
	server := serverConfig(tls.VersionTLS13)
	var p *pair
	server.VerifyConnection = func(tls.ConnectionState) error {
		p.server.Handshake()
		return nil
	}
	p = newPair(t, clientConfig(), server)
	defer func() {
		const want = "BUG: tlsbio: Handshake within a callback of the handshake"
		if got, ok := recover().(*Panic); !ok || got.Value != want {
			t.Errorf("recovered %v; want %v", got, want)
		}
		p.client.Close()
	}()
	_ = p.shakeIn(1 << 20)
}
