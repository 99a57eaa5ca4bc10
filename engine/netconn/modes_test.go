package netconn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"casbah/balance"
	"casbah/engine"
)

// patience is for what must happen at once on a machine that is not stuck.
const patience = 10 * time.Second

// testCert is the one certificate of all tests, for "localhost".
var testCert = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<33, 0),
		DNSNames:     []string{"localhost"},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
})

func serverTLS() *tls.Config {
	cert, _ := testCert()
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

func clientTLS() *tls.Config {
	_, roots := testCert()
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// listen returns a listener on loopback that is closed at the end of t.
func listen(tb testing.TB) net.Listener {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ln.Close() })
	return ln
}

// start serves ln by an engine of cfg until the end of t. Net is opened if nil.
func start(tb testing.TB, cfg engine.Config, ln *engine.Listener) *Engine {
	tb.Helper()
	if ln.Net == nil {
		ln.Net = listen(tb)
	}
	e := New(cfg)
	done := make(chan error, 1)
	go func() { done <- e.Serve(ln) }()
	tb.Cleanup(func() {
		_ = ln.Net.Close()
		if err := <-done; err != nil {
			tb.Errorf("Serve() = %v; want nil", err)
		}
		e.Kill()
		wait(tb, e)
	})
	return e
}

// wait waits until e has no connection.
func wait(tb testing.TB, e *Engine) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.Wait(ctx); err != nil {
		tb.Errorf("Wait() = %v with %d connections open; want none", err, e.Open())
	}
}

// wentTo waits until e has n connections, which it has just after an event that
// the caller waited for.
func wentTo(tb testing.TB, e *Engine, n int) {
	tb.Helper()
	for end := time.Now().Add(patience); e.Open() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("Open() = %d; want %d", e.Open(), n)
		}
	}
}

// dial connects to ln, plain, until the end of t.
func dial(tb testing.TB, ln *engine.Listener) *net.TCPConn {
	tb.Helper()
	nc, err := net.Dial("tcp", ln.Net.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(2 * patience))
	tcp, _ := nc.(*net.TCPConn)
	return tcp
}

// client is a connection that can send FIN.
type client interface {
	net.Conn
	CloseWrite() error
}

// inModes runs f with a listener in each mode, and a function that connects.
func inModes(t *testing.T, f func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client)) {
	t.Helper()
	t.Run("plain", func(t *testing.T) {
		ln := &engine.Listener{}
		f(t, ln, func(tb testing.TB) client {
			tb.Helper()
			return dial(tb, ln)
		})
	})
	t.Run("tls", func(t *testing.T) {
		ln := &engine.Listener{TLS: serverTLS()}
		f(t, ln, func(tb testing.TB) client {
			tb.Helper()
			return tls.Client(dial(tb, ln), clientTLS())
		})
	})
	t.Run("proxy-v2", func(t *testing.T) {
		ln := &engine.Listener{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
		f(t, ln, func(tb testing.TB) client {
			tb.Helper()
			nc := dial(tb, ln)
			header := proxyproto.HeaderProxyFromAddrs(2,
				&net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 10), Port: 80})
			if _, err := header.WriteTo(nc); err != nil {
				tb.Fatal(err)
			}
			return nc
		})
	})
}

// upstream is a server on loopback; handle has each connection in a goroutine.
// Its endpoint speaks TLS with secure.
func upstream(tb testing.TB, secure bool, handle func(net.Conn)) *balance.Endpoint {
	tb.Helper()
	ln := listen(tb)
	e := endpointOf(ln)
	if secure {
		ln = tls.NewListener(ln, serverTLS())
		e.TLS = clientTLS()
	}
	var conns sync.WaitGroup
	tb.Cleanup(func() { _ = ln.Close(); conns.Wait() })
	conns.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer nc.Close()
				handle(nc)
			})
		}
	})
	return e
}

// endpointOf returns an endpoint at the address of ln.
func endpointOf(ln net.Listener) *balance.Endpoint {
	e := &balance.Endpoint{Name: "test", ConnectTimeout: patience}
	e.SetAddr(addrPort(ln.Addr()))
	return e
}

// echoServer sends back what it gets, and FIN after that.
func echoServer(nc net.Conn) {
	_, _ = io.Copy(nc, nc)
	if w, ok := nc.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
}

// send writes s, or fails t.
func send(tb testing.TB, w io.Writer, s string) {
	tb.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		tb.Fatalf("Write(%.20q): %v", s, err)
	}
}

// expect reads want, or fails t.
func expect(tb testing.TB, r io.Reader, want string) {
	tb.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		tb.Fatalf("read %.60q, %v; want %.60q", got[:n], err, want)
	}
}

// expectEnd reads to the end and wants nothing but that.
func expectEnd(tb testing.TB, r io.Reader) {
	tb.Helper()
	if p, err := io.ReadAll(r); len(p) > 0 || err != nil {
		tb.Fatalf("read %.60q, %v at the end; want EOF", p, err)
	}
}

// receive waits for a value.
func receive[T any](tb testing.TB, ch <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		tb.Fatalf("no %s after %v", what, patience)
		panic("unreachable")
	}
}

// fixed is a NewCore that makes one core; for tests with one connection.
func fixed(core engine.Core) engine.NewCore { return func(engine.Conn) engine.Core { return core } }
