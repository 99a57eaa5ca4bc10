package netconn

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// borrower sends each request to e and parks the leg after the answer, both of
// one octet.
func borrower(e *balance.Endpoint, reused *atomic.Int64) engine.NewCore {
	return func(engine.Conn) engine.Core {
		core := &toy{}
		var request []byte
		core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
			if l == engine.Client {
				request = append(request[:0], p[0])
				d.Dial(e, true)
				return 1
			}
			d.Send(engine.Client, p[:1])
			d.Close(l, engine.Park)
			return 1
		}
		core.dialed = func(l engine.Leg, again bool, err error, d engine.Driver) {
			if err != nil {
				d.Send(engine.Client, []byte("!"))
				return
			}
			if again {
				reused.Add(1)
			}
			d.Send(l, request)
		}
		core.end = func(l engine.Leg, err error, d engine.Driver) {
			if l != engine.Client {
				d.Send(engine.Client, []byte("?"))
			}
			d.Close(l, engine.Flush)
		}
		return core
	}
}

// servers keeps the connections that an upstream has accepted.
type servers struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (s *servers) handle(nc net.Conn) {
	s.mu.Lock()
	s.conns = append(s.conns, nc)
	s.mu.Unlock()
	_, _ = io.Copy(nc, nc)
}

func (s *servers) all() []net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]net.Conn(nil), s.conns...)
}

// ask makes n round trips of one octet, each of which ends with its leg parked.
func ask(t *testing.T, e *Engine, to *balance.Endpoint, nc net.Conn, n int) {
	t.Helper()
	for i := range n {
		octet := string(rune('a' + i%26))
		send(t, nc, octet)
		expect(t, nc, octet)
		shelved(t, e, to, 1)
	}
}

// shelved waits until n connections are parked.
func shelved(t *testing.T, e *Engine, to *balance.Endpoint, n int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		e.parked.mu.Lock()
		got := len(e.parked.shelves[to])
		e.parked.mu.Unlock()
		if got == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d connections are parked; want %d", got, n)
		}
	}
}

// TestPark reuses a connection over requests and clients.
func TestPark(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("upstream-tls=%v", secure), func(t *testing.T) {
			var s servers
			var reused atomic.Int64
			up := upstream(t, secure, s.handle)
			ln := &engine.Listener{New: borrower(up, &reused)}
			e := start(t, engine.Config{}, ln)
			for range 3 {
				nc := dial(t, ln)
				ask(t, e, up, nc, 10)
				_ = nc.Close()
			}
			if got := len(s.all()); got != 1 || reused.Load() != 29 {
				t.Errorf("%d connections, reused %d times; want 1, 29", got, reused.Load())
			}
		})
	}
}

// TestParkedIsDropped drops a parked connection whose server closes it or
// speaks, and never shows its octets to anybody.
func TestParkedIsDropped(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for name, spoil := range map[string]func(net.Conn){
			"fin":    func(nc net.Conn) { _ = nc.Close() },
			"octets": func(nc net.Conn) { _, _ = io.WriteString(nc, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
		} {
			t.Run(fmt.Sprintf("upstream-tls=%v/%s", secure, name), func(t *testing.T) {
				var s servers
				var reused atomic.Int64
				up := upstream(t, secure, s.handle)
				ln := &engine.Listener{New: borrower(up, &reused)}
				e := start(t, engine.Config{}, ln)
				nc := dial(t, ln)
				ask(t, e, up, nc, 1)
				spoil(s.all()[0])
				shelved(t, e, up, 0)
				ask(t, e, up, nc, 5)
				if got := len(s.all()); got != 2 || reused.Load() != 4 {
					t.Errorf("%d connections, reused %d times; want 2, 4", got, reused.Load())
				}
			})
		}
	}
}

// TestParkedRace spoils connections at the moment when they are reused: what
// came before the hand-over ends the leg, and is never taken for an answer.
func TestParkedRace(t *testing.T) {
	var s servers
	var reused atomic.Int64
	up := upstream(t, false, s.handle)
	ln := &engine.Listener{New: borrower(up, &reused)}
	e := start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	for range 300 {
		ask(t, e, up, nc, 1)
		all := s.all()
		send(t, all[len(all)-1], "#") // in the socket before the next request
		send(t, nc, "a")
		got := make([]byte, 1)
		if _, err := io.ReadFull(nc, got); err != nil {
			t.Fatal(err)
		}
		if got[0] == '#' {
			t.Fatal("an octet that came before the hand-over was delivered after it")
		}
	}
}

// TestParkRefused closes what cannot be reused.
func TestParkRefused(t *testing.T) {
	tests := []struct {
		name   string
		answer string
		before func(d engine.Driver, l engine.Leg)
		used   int
	}{
		{"unread", "abc", func(engine.Driver, engine.Leg) {}, 1},
		{"half", "a", func(d engine.Driver, l engine.Leg) { d.Close(l, engine.Half) }, 1},
		{"unsent", "a", func(d engine.Driver, l engine.Leg) { d.Send(l, []byte("tail")) }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			up := upstream(t, false, func(nc net.Conn) {
				send(t, nc, tt.answer)
				_ = nc.SetReadDeadline(time.Now().Add(patience))
				p, err := io.ReadAll(nc)
				got <- fmt.Sprintf("%s %v", p, err)
			})
			core := &toy{}
			core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
				if l == engine.Client {
					d.Dial(up, true)
					return len(p)
				}
				tt.before(d, l)
				d.Close(l, engine.Park)
				return tt.used
			}
			ln := &engine.Listener{New: fixed(core)}
			e := start(t, engine.Config{}, ln)
			send(t, dial(t, ln), "x")
			if s := receive(t, got, "end of the connection"); !strings.HasSuffix(s, " <nil>") {
				t.Errorf("the server got %q; want FIN", s)
			}
			shelved(t, e, up, 0)
		})
	}
}

// TestParkedLimits keeps parkLimit connections, for parkTime, until Drain.
func TestParkedLimits(t *testing.T) {
	up := upstream(t, false, echoServer)
	now := int64(0)
	p := parked{clock: func() int64 { return now }}
	c := newConn(New(engine.Config{}), &engine.Listener{}, pipe(t))
	var legs []*leg
	park := func() bool {
		l := &leg{endpoint: up, wire: &wire{sock: newSocket(pipe(t))}}
		l.owner.Store(c)
		legs = append(legs, l)
		return p.put(l)
	}
	for i := range parkLimit {
		if now = int64(i); !park() {
			t.Fatalf("put() = false at %d; want true up to %d", i, parkLimit)
		}
	}
	if park() {
		t.Errorf("put() = true over the limit; want false")
	}
	now = int64(parkTime) + 9
	p.expire()
	if got := len(p.shelves[up]); got != parkLimit-10 {
		t.Errorf("%d are left after the first 10 expired; want %d", got, parkLimit-10)
	}
	if legs[9].onShelf || !legs[10].onShelf {
		t.Errorf("on the shelf: leg 9 %v, leg 10 %v; want false, true", legs[9].onShelf, legs[10].onShelf)
	}
	p.shut()
	if len(p.shelves) != 0 || park() {
		t.Error("something is parked after shut")
	}
}

// pipe returns a connection for what is never read or written.
func pipe(t *testing.T) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return a
}
