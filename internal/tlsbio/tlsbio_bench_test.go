package tlsbio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// memoryPipe is one direction between two tls.Conns, without a system call.
type memoryPipe struct {
	mu   sync.Mutex
	more sync.Cond
	buf  bytes.Buffer
}

func newMemoryPipe() *memoryPipe {
	p := new(memoryPipe)
	p.more.L = &p.mu
	return p
}

func (p *memoryPipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.buf.Len() == 0 {
		p.more.Wait()
	}
	return p.buf.Read(b)
}

func (p *memoryPipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.more.Signal()
	return p.buf.Write(b)
}

// memoryConn is one end.
type memoryConn struct {
	net.Conn
	io.Reader
	io.Writer
}

func (c memoryConn) Read(p []byte) (int, error)     { return c.Reader.Read(p) }
func (c memoryConn) Write(p []byte) (int, error)    { return c.Writer.Write(p) }
func (memoryConn) SetWriteDeadline(time.Time) error { return nil }

// shakeBare runs the handshake of two tls.Conns, each on its goroutine.
func shakeBare(b *testing.B, client, server *tls.Config) (c, s *tls.Conn) {
	b.Helper()
	up, down := newMemoryPipe(), newMemoryPipe()
	c, s = tls.Client(memoryConn{Reader: down, Writer: up}, client), tls.Server(memoryConn{Reader: up, Writer: down}, server)
	failed := make(chan error)
	go func() { failed <- s.Handshake() }()
	if err := errors.Join(c.Handshake(), <-failed); err != nil {
		b.Fatal(err)
	}
	return c, s
}

// shakeBio runs it for two Conns of this package.
func shakeBio(b *testing.B, client, server *tls.Config) *pair {
	b.Helper()
	p := new(pair)
	p.client, p.server = Client(client, &p.up, serverAddr, clientAddr), Server(server, &p.down, clientAddr, serverAddr)
	p.shake(b)
	return p
}

// forShims runs a benchmark with each version, over tls.Conns and over Conns.
func forShims(b *testing.B, f func(b *testing.B, version uint16, bare bool)) {
	b.Helper()
	for _, v := range versions {
		for _, kind := range []string{"tls", "tlsbio"} {
			b.Run("version="+versionName(v)+"/conn="+kind, func(b *testing.B) {
				b.ReportAllocs()
				f(b, v, kind == "tls")
			})
		}
	}
}

// BenchmarkEcho sends 1 KiB through an established connection and back.
func BenchmarkEcho(b *testing.B) {
	forShims(b, func(b *testing.B, version uint16, bare bool) {
		b.Helper()
		b.SetBytes(2 << 10)
		text, buf := make([]byte, 1<<10), make([]byte, 4<<10)
		if bare {
			client, server := shakeBare(b, clientConfig(), serverConfig(version))
			for b.Loop() {
				client.Write(text)
				n, _ := server.Read(buf)
				server.Write(buf[:n])
				if n, err := client.Read(buf); n != len(text) {
					b.Fatal(n, err)
				}
			}
			return
		}
		p := shakeBio(b, clientConfig(), serverConfig(version))
		var up, down latest
		p.client.out, p.server.out = &up, &down
		p.client.Read(buf) // the ticket
		for b.Loop() {
			p.client.Write(text)
			p.server.Feed(up.b)
			n, _ := p.server.Read(buf)
			p.server.Write(buf[:n])
			p.client.Feed(down.b)
			if n, err := p.client.Read(buf); n != len(text) {
				b.Fatal(n, err)
			}
		}
	})
}

// BenchmarkHandshake runs both sides of a handshake with keys on P-256.
func BenchmarkHandshake(b *testing.B) {
	for _, resumed := range []bool{false, true} {
		name := "full"
		if resumed {
			name = "resumed"
		}
		b.Run("handshake="+name, func(b *testing.B) {
			forShims(b, func(b *testing.B, version uint16, bare bool) {
				b.Helper()
				client, server := clientConfig(), serverConfig(version)
				client.CurvePreferences = []tls.CurveID{tls.CurveP256}
				if resumed {
					client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				}
				buf := make([]byte, 10)
				last := false
				run := func() {
					if bare {
						c, s := shakeBare(b, client, server)
						s.Write(buf[:1])
						c.Read(buf) // and the ticket
						last = s.ConnectionState().DidResume
						return
					}
					p := shakeBio(b, client, server)
					p.server.Write(buf[:1])
					p.client.Feed(p.down.take())
					p.client.Read(buf)
					last = p.server.State().DidResume
				}
				run()
				for b.Loop() {
					run()
				}
				if last != resumed {
					b.Fatalf("resumed = %v; want %v", last, resumed)
				}
			})
		})
	}
}
