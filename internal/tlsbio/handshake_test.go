package tlsbio

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// goroutines counts them before a test and waits after it until none is left. A
// coroutine that is parked would stay for ever.
func goroutines(tb testing.TB) {
	tb.Helper()
	before := runtime.NumGoroutine()
	tb.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(end) {
				tb.Errorf("%d goroutines are left", runtime.NumGoroutine()-before)
				return
			}
		}
	})
}

// TestHandshake shakes hands in pieces of several sizes, full and resumed, and
// looks at what both sides negotiated.
func TestHandshake(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		for name, cert := range map[string]tls.Certificate{"ecdsa": testKeys().ecdsa, "rsa": testKeys().rsa} {
			t.Run(name, func(t *testing.T) {
				goroutines(t)
				var sni []string
				server, client := serverConfig(version), clientConfig()
				server.Certificates = nil
				server.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
					if hello.Conn.RemoteAddr() != clientAddr || hello.Conn.LocalAddr() != serverAddr {
						t.Errorf("addresses are %v, %v", hello.Conn.RemoteAddr(), hello.Conn.LocalAddr())
					}
					sni = append(sni, hello.ServerName)
					return &cert, nil
				}
				client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				for i, chunk := range []int{1 << 20, 1, 7, 1000} {
					p := newPair(t, client, server)
					if err := p.shakeIn(chunk); err != nil {
						t.Fatal(err)
					}
					for side, c := range map[string]*Conn{"client": p.client, "server": p.server} {
						s := c.State()
						if s.Version != version || s.ServerName != hostname || s.NegotiatedProtocol != "http/1.1" || s.DidResume != (i > 0) || !s.HandshakeComplete {
							t.Errorf("connection %d, %s: %+v", i, side, s)
						}
						if c.shake != nil {
							t.Errorf("connection %d, %s holds its coroutine", i, side)
						}
					}
					write(t, p.server, "text")
					wantRead(t, p.client, &p.down, "text", ErrAgain) // and the ticket
				}
				if want := []string{hostname}; version == tls.VersionTLS13 && !sameStrings(sni, want) {
					t.Errorf("names asked for: %q; want %q", sni, want) // a resumption needs no certificate
				}
			})
		}
	})
}

func sameStrings(a, b []string) bool { return strings.Join(a, ",") == strings.Join(b, ",") }

// TestLateTicket: a TLS 1.3 ticket may come long after the handshake, in pieces,
// without application data. RFC 8446, Section 4.6.1.
func TestLateTicket(t *testing.T) {
	cache := tls.NewLRUClientSessionCache(1)
	client := clientConfig()
	client.ClientSessionCache = cache
	server := serverConfig(tls.VersionTLS13)
	server.ClientAuth = tls.RequestClientCert // tickets then follow the client's Finished
	for _, resumed := range []bool{false, true} {
		p := newPair(t, client, server)
		p.client.Handshake()
		deliver(&p.up, p.server, 1<<20)
		deliver(&p.down, p.client, 1<<20)
		if !p.client.Done() || p.server.Done() {
			t.Fatalf("client done: %v, server done: %v; want the client alone", p.client.Done(), p.server.Done())
		}
		if got := p.client.State().DidResume; got != resumed {
			t.Fatalf("resumed = %v; want %v", got, resumed)
		}
		deliver(&p.up, p.server, 1<<20)
		for i, octet := range p.down.take() {
			p.client.Feed([]byte{octet})
			if n, err := p.client.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ErrAgain) {
				t.Fatalf("octet %d of the ticket: %d, %v", i, n, err)
			}
		}
		if _, ok := cache.Get(hostname); !ok {
			t.Fatal("no ticket is in the cache")
		}
	}
}

// TestDataBehindFinished: the client's first request comes with its Finished,
// and the server's close_notify with that.
func TestDataBehindFinished(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		p := newPair(t, clientConfig(), serverConfig(version))
		for !p.client.Done() {
			p.client.Handshake()
			if !p.client.Done() {
				deliver(&p.up, p.server, 1<<20)
			}
			deliver(&p.down, p.client, 1<<20)
		}
		write(t, p.client, "request")
		p.client.CloseWrite()
		p.server.Feed(p.up.take())
		if done, err := p.server.Handshake(); !done || err != nil {
			t.Fatalf("Handshake() = %v, %v", done, err)
		}
		if !p.server.Whole() {
			t.Error("the input does not end with a record")
		}
		wantRead(t, p.server, &p.up, "request", io.EOF)
	})
}

// TestClientCertificate authenticates the client, or refuses it.
func TestClientCertificate(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		server := serverConfig(version)
		server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, testKeys().roots
		client := clientConfig()
		client.Certificates = []tls.Certificate{testKeys().client}
		p := newPair(t, client, server)
		p.shake(t)
		if got := p.server.State().PeerCertificates; len(got) != 1 || got[0].SerialNumber.Int64() != 4 {
			t.Errorf("the server sees %d certificates", len(got))
		}

		goroutines(t)
		p = newPair(t, clientConfig(), server)
		err := p.shakeIn(1 << 20)
		if err == nil || !strings.Contains(err.Error(), "didn't provide a certificate") {
			t.Fatalf("without a certificate: %v", err)
		}
		deliver(&p.down, p.client, 1<<20) // the alert; after the handshake in TLS 1.3
		_, err = p.client.Read(make([]byte, 1))
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "remote error" {
			t.Errorf("the client reads %v; want a remote error", err)
		}
	})
}

// TestHandshakeFails: failures are final, say so to the peer, and leave nothing.
func TestHandshakeFails(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		goroutines(t)
		client := clientConfig()
		client.RootCAs = x509.NewCertPool()
		p := newPair(t, client, serverConfig(version))
		err := p.shakeIn(1)
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
			t.Fatalf("Handshake() = %v; want a verification error", err)
		}
		p.client.Feed([]byte("more"))
		if done, again := p.client.Handshake(); done || again != err || p.client.in != nil { //nolint:errorlint // the very same
			t.Errorf("second Handshake() = %v, %v; want %v", done, again, err)
		}
		if _, again := p.client.Read(make([]byte, 1)); again != err { //nolint:errorlint // the very same
			t.Errorf("Read() = %v; want %v", again, err)
		}
		if again := p.client.Write([]byte("x")); again != err { //nolint:errorlint // the very same
			t.Errorf("Write() = %v; want %v", again, err)
		}
		if err := deliver(&p.up, p.server, 1); err == nil || !strings.Contains(err.Error(), "bad certificate") {
			t.Errorf("the server fails with %v; want the alert", err)
		}
	})
}

// TestHandshakeEnds cuts the input of a handshake anywhere by a FIN.
func TestHandshakeEnds(t *testing.T) {
	goroutines(t)
	p := newPair(t, clientConfig(), serverConfig(tls.VersionTLS13))
	p.client.Handshake()
	hello := p.up.take()
	for cut := range len(hello) {
		c := Server(serverConfig(tls.VersionTLS13), &queue{}, clientAddr, serverAddr)
		c.Feed(hello[:cut])
		c.FeedEnd()
		if done, err := c.Handshake(); done || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("after %d octets and a FIN: %v, %v; want %v", cut, done, err, io.ErrUnexpectedEOF)
		}
	}
	p.client.FeedEnd()
	if done, err := p.client.Handshake(); done || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("a client after a FIN: %v, %v; want %v", done, err, io.ErrUnexpectedEOF)
	}
}

// TestNotTLS feeds what is no handshake.
func TestNotTLS(t *testing.T) {
	goroutines(t)
	for _, in := range []string{"GET / HTTP/1.1\r\n\r\n", "\x80\x2e\x01\x00\x02", "\x16\x03\x01\xff\xff", "\x17\x03\x03\x00\x01x", "\x15\x03\x01\x00\x02\x02\x28"} {
		c := Server(serverConfig(tls.VersionTLS13), &queue{}, clientAddr, serverAddr)
		c.Feed([]byte(in))
		if done, err := c.Handshake(); done || err == nil {
			t.Errorf("%q: Handshake() = %v, %v; want it to fail", in, done, err)
			c.Close()
		}
	}
	c := Server(nil, &queue{}, clientAddr, serverAddr)
	c.FeedEnd()
	if done, err := c.Handshake(); done || err == nil {
		t.Errorf("without a configuration: %v, %v; want it to fail", done, err)
	}
}

// TestRenegotiation: a client whose configuration allows it fails at once.
func TestRenegotiation(t *testing.T) {
	goroutines(t)
	client := clientConfig()
	client.Renegotiation = tls.RenegotiateOnceAsClient
	c := Client(client, &queue{}, serverAddr, clientAddr)
	if done, err := c.Handshake(); done || !errors.Is(err, errRenegotiate) {
		t.Errorf("Handshake() = %v, %v; want %v", done, err, errRenegotiate)
	}
}

// TestNoInputNoStep: a server that was fed nothing has no coroutine, and a step
// without new input does nothing.
func TestNoInputNoStep(t *testing.T) {
	goroutines(t)
	p := newPair(t, clientConfig(), serverConfig(tls.VersionTLS13))
	for range 3 {
		if done, err := p.server.Handshake(); done || err != nil || p.server.shake != nil {
			t.Fatalf("Handshake() = %v, %v, coroutine: %v; want none of them", done, err, p.server.shake != nil)
		}
	}
	p.client.Handshake()
	hello := len(p.up.b)
	if n := testing.AllocsPerRun(10, func() { p.client.Handshake() }); n != 0 || len(p.up.b) != hello || hello == 0 {
		t.Errorf("a step without input: %v allocations, %d octets more", n, len(p.up.b)-hello)
	}
	p.client.Close()
	p.server.Close()
}

// TestLockedThread runs a handshake on a goroutine that is locked to a thread,
// as a loop may be.
func TestLockedThread(t *testing.T) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p := newPair(t, clientConfig(), serverConfig(tls.VersionTLS13))
		err := p.shakeIn(100)
		parked := newPair(t, clientConfig(), serverConfig(tls.VersionTLS12))
		parked.client.Handshake()
		parked.client.Close()
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
