package netconn

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// requestSize is that of one request and its answer.
const requestSize = 1024

// turns makes round trips on nc: size octets each way.
func turns(tb testing.TB, nc net.Conn, p []byte, n int) { //nolint:thelper // Helper would be measured
	for range n {
		if _, err := nc.Write(p); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(nc, p); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestTurnDoesNotAllocate is the budget of a keep-alive request: nothing, for
// the client's leg and for a relayed server. A tls.Conn itself allocates once
// per Read, and there is one on each side of the test.
func TestTurnDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector pools forget at random")
	}
	for _, secure := range []bool{false, true} {
		for _, name := range []string{"echo", "relay"} {
			t.Run(fmt.Sprintf("%s/tls=%v", name, secure), func(t *testing.T) {
				nc := benchClient(t, name, secure)
				p := make([]byte, requestSize)
				turns(t, nc, p, 200)
				// Pools are emptied by the collector; the minimum is what a turn needs.
				least := testing.AllocsPerRun(100, func() { turns(t, nc, p, 1) })
				for range 9 {
					least = min(least, testing.AllocsPerRun(100, func() { turns(t, nc, p, 1) }))
				}
				want := 0.0
				if secure {
					want = 2
				}
				if least > want {
					t.Errorf("a turn allocates %v times; want %v", least, want)
				}
			})
		}
	}
}

// benchClient returns a client of an echo core, or of a relay to an echo server.
func benchClient(tb testing.TB, name string, secure bool) net.Conn {
	tb.Helper()
	if name == "relay" {
		return clientOf(tb, enginetest.Relay(enginetest.Upstream(tb, false, enginetest.EchoServer), false), secure)
	}
	return clientOf(tb, enginetest.Echo, secure)
}

// clientOf returns a client of a core.
func clientOf(tb testing.TB, core engine.NewCore, secure bool) net.Conn {
	tb.Helper()
	if !secure {
		return serve(tb, &engine.Listener{New: core})
	}
	return tls.Client(serve(tb, &engine.Listener{New: core, TLS: enginetest.ServerTLS()}), enginetest.ClientTLS())
}

func BenchmarkEcho(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(fmt.Sprintf("tls=%v", secure), func(b *testing.B) {
			nc := benchClient(b, "echo", secure)
			p := make([]byte, requestSize)
			turns(b, nc, p, 100)
			b.ReportAllocs()
			b.SetBytes(requestSize)
			for b.Loop() {
				turns(b, nc, p, 1)
			}
		})
	}
}

func BenchmarkRelay(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 100 << 10} {
		for _, secure := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%dk/tls=%v", size>>10, secure), func(b *testing.B) {
				nc := benchClient(b, "relay", secure)
				p := make([]byte, size)
				turns(b, nc, p, 20)
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					turns(b, nc, p, 1)
				}
			})
		}
	}
}

// BenchmarkMove passes octets from a server to a client, nobody looking.
func BenchmarkMove(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(fmt.Sprintf("tls=%v", secure), func(b *testing.B) {
			const size = 1 << 20
			block := make([]byte, size)
			up := enginetest.Upstream(b, false, func(nc net.Conn) {
				go func() { _, _ = io.Copy(io.Discard, nc) }()
				for {
					if _, err := nc.Write(block); err != nil {
						return
					}
				}
			})
			nc := clientOf(b, enginetest.Relay(up, true), secure)
			enginetest.Send(b, nc, "x")
			b.ReportAllocs()
			b.SetBytes(size)
			p := make([]byte, size)
			for b.Loop() {
				if _, err := io.ReadFull(nc, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// sink is a connection that takes everything at once.
type sink struct{ net.Conn }

func (sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkTurn is the driver alone: a turn that answers, without system calls.
func BenchmarkTurn(b *testing.B) {
	_, peer := net.Pipe()
	c := newConn(New(engine.Config{}), &engine.Listener{}, sink{peer})
	c.core = &enginetest.Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
		d.Send(l, p)
		return len(p)
	}}
	b.ReportAllocs()
	for b.Loop() {
		c.client.took(getBuffer(small), requestSize, nil)
	}
}
