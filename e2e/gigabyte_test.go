package e2e

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

// shortWhile is how long a server is slow, or a peer stuck, in a test.
const shortWhile = 200 * time.Millisecond

// channelOctets is what an RPC channel declares.
const channelOctets = 1 << 30

// gauge watches the memory of this process, casbah's and the test's together.
// The collector is kept busy meanwhile: what is held counts, not what nobody has
// collected yet.
type gauge struct {
	base, peak uint64 // octets of heap in use
	percent    int    // GOGC before
	stop       chan struct{}
	watching   sync.WaitGroup
}

func newGauge() *gauge {
	percent := debug.SetGCPercent(10)
	runtime.GC()
	g := &gauge{base: heapInUse(), percent: percent, stop: make(chan struct{})}
	g.watching.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				g.peak = max(g.peak, heapInUse())
			case <-g.stop:
				return
			}
		}
	})
	return g
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// grown ends the watch and returns by how many octets the heap has grown.
func (g *gauge) grown() int64 {
	close(g.stop)
	g.watching.Wait()
	defer debug.SetGCPercent(g.percent)
	return int64(max(g.peak, heapInUse())) - int64(g.base)
}

// bound is how much the heap may grow while any amount streams through, in
// octets. A tenth of what -short streams.
const bound = 6 << 20

// An IN channel streams in constant memory, up to its last octet and in order.
func TestInChannelStreamsInConstantMemory(t *testing.T) {
	modesInTurn(t, func(t *testing.T, m mode) {
		octets := channelOctets
		if testing.Short() || m.vip == "tls" {
			octets = 64 << 20
		}
		r, s := newStubRig(t, m, "outlook_anywhere")
		c := r.wire(t, "127.0.0.2")
		c.within(5 * time.Minute)
		c.sayf("RPC_IN_DATA /rpc/rpcproxy.dll?mbx:6001 HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", octets)
		server := s.accept()
		server.within(5 * time.Minute)
		server.head()
		g := newGauge()
		sent := make(chan error, 1)
		go func() { sent <- pour(c, octets) }()
		if err := drain(server.in, octets); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if n := g.grown(); n > bound {
			t.Errorf("the heap grew by %d octets for a body of %d; want at most %d", n, octets, bound)
		}
		server.say("HTTP/1.1 200 Success\r\nContent-Length: 0\r\n\r\n")
		c.want("HTTP/1.1 200 Success\r\nContent-Length: 0\r\n\r\n")
	})
}

// pattern is a block of which neighbours differ, so that a piece that is lost,
// doubled or swapped shows: block n is pattern with n in its first octet.
var pattern = func() []byte {
	p := make([]byte, 64<<10)
	for i := range p {
		p[i] = byte(i * 7 >> 3)
	}
	return p
}()

// pour writes blocks of the pattern.
func pour(w io.Writer, octets int) error {
	p := append([]byte(nil), pattern...)
	for n := 0; n*len(p) < octets; n++ {
		p[0] = byte(n)
		if _, err := w.Write(p); err != nil {
			return fmt.Errorf("write of block %d: %w", n, err)
		}
	}
	return nil
}

// drain reads blocks of the pattern and compares them.
func drain(r io.Reader, octets int) error {
	want, p := append([]byte(nil), pattern...), make([]byte, len(pattern))
	for n := 0; n*len(p) < octets; n++ {
		if _, err := io.ReadFull(r, p); err != nil {
			return fmt.Errorf("read of block %d: %w", n, err)
		}
		want[0] = byte(n)
		if string(p) != string(want) {
			return fmt.Errorf("block %d is not what was sent", n)
		}
	}
	return nil
}

// stuffed is far more than all socket buffers on the way hold together.
const stuffed = 128 << 20

// A client that does not read stops the server, and a server that does not read
// stops the client: nothing piles up in casbah, and nothing is lost.
func TestBackPressure(t *testing.T) {
	modesInTurn(t, func(t *testing.T, m mode) {
		t.Run("response", func(t *testing.T) {
			r, s := newStubRig(t, m, "ews")
			c := r.wire(t, "127.0.0.2")
			c.say("GET /EWS/ HTTP/1.1\r\nHost: h\r\n\r\n")
			server := s.accept()
			server.head()
			server.sayf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", stuffed)
			c.head()
			stops(t, server, c)
		})
		t.Run("request", func(t *testing.T) {
			r, s := newStubRig(t, m, "outlook_anywhere")
			c := r.wire(t, "127.0.0.2")
			c.sayf("RPC_IN_DATA /rpc/rpcproxy.dll?mbx:6001 HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", stuffed)
			server := s.accept()
			server.head()
			stops(t, c, server)
		})
		t.Run("chunked-request", func(t *testing.T) {
			r, s := newStubRig(t, m, "ews")
			c := r.wire(t, "127.0.0.2")
			size := fmt.Sprintf("%x\r\n", stuffed)
			c.say("POST /EWS/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + size)
			server := s.accept()
			server.head()
			server.want(size)
			stops(t, c, server)
		})
		t.Run("chunked-response", func(t *testing.T) {
			r, s := newStubRig(t, m, "ews")
			c := r.wire(t, "127.0.0.2")
			c.say("GET /EWS/ HTTP/1.1\r\nHost: h\r\n\r\n")
			server := s.accept()
			server.head()
			size := fmt.Sprintf("%x\r\n", stuffed)
			server.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size)
			c.head()
			c.want(size)
			stops(t, server, c)
		})
	})
}

// stops fails unless from comes to a stop while to does not read, and to then
// gets all of it.
func stops(t *testing.T, from, to *wire) {
	t.Helper()
	g := newGauge()
	stuck := &stopwatch{Conn: from.Conn, stopped: make(chan int64, 1)}
	sent := make(chan error, 1)
	go func() { sent <- pour(stuck, stuffed) }()
	select {
	case n := <-stuck.stopped:
		t.Logf("stopped after %d octets", n)
	case err := <-sent:
		t.Fatalf("all %d octets left without anybody reading: %v", stuffed, err)
	}
	if n := g.grown(); n > bound {
		t.Errorf("the heap grew by %d octets for a peer that does not read; want at most %d", n, bound)
	}
	to.within(time.Minute)
	if err := drain(to.in, stuffed); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// stopwatch tells when a write to Conn did not end for a while.
type stopwatch struct {
	net.Conn
	stopped chan int64 // octets written before
	written int64
	once    sync.Once
}

func (s *stopwatch) Write(p []byte) (int, error) {
	n := s.written
	_ = s.SetDeadline(time.Now().Add(time.Minute))
	alarm := time.AfterFunc(shortWhile, func() { s.once.Do(func() { s.stopped <- n }) })
	defer alarm.Stop()
	done, err := s.Conn.Write(p)
	s.written += int64(done)
	return done, err
}
