package netconn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"casbah/engine"
)

func TestEcho(t *testing.T) {
	inModes(t, func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client) {
		ln.New = echo
		e := start(t, engine.Config{}, ln)
		nc := connect(t)
		for _, n := range []int{1, 1024, small, small + 1, 300 << 10} {
			s := strings.Repeat("x", n-1) + "\n"
			go func() { _, _ = io.WriteString(nc, s) }()
			expect(t, nc, s)
		}
		if err := nc.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		expectEnd(t, nc)
		_ = nc.Close()
		wait(t, e)
	})
}

// TestRelay passes a large random body both ways at once, by Send and by Move,
// to a plain and a TLS server.
func TestRelay(t *testing.T) {
	body := make([]byte, 5<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(body)
	for _, secure := range []bool{false, true} {
		for _, moves := range []bool{false, true} {
			t.Run(fmt.Sprintf("upstream-tls=%v/moves=%v", secure, moves), func(t *testing.T) {
				inModes(t, func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client) {
					ln.New = newRelay(upstream(t, secure, echoServer), moves)
					e := start(t, engine.Config{}, ln)
					nc := connect(t)
					var sending sync.WaitGroup
					sending.Go(func() {
						_, _ = nc.Write(body)
						_ = nc.CloseWrite()
					})
					got, err := io.ReadAll(nc)
					if err != nil || !bytes.Equal(got, body) {
						t.Errorf("relayed %d octets, %v; want the %d that were sent", len(got), err, len(body))
					}
					sending.Wait()
					wait(t, e)
				})
			})
		}
	}
}

// TestBytesAgain offers what was left unused with more behind it, and again
// after Hold is lifted by the event of another leg.
func TestBytesAgain(t *testing.T) {
	offers := make(chan string, 4)
	up := upstream(t, false, func(nc net.Conn) { send(t, nc, "go"); _, _ = io.Copy(io.Discard, nc) })
	core := &toy{}
	core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		offers <- fmt.Sprintf("%d %s", l, p)
		switch {
		case l == 1:
			d.Hold(engine.Client, false)
			return len(p)
		case string(p) == "abc":
			d.Hold(engine.Client, true)
			d.Dial(up, false)
			return 1
		case string(p) == "bc":
			d.Close(1, engine.Flush)
			d.Send(engine.Client, []byte("ok"))
			return 2
		}
		return 0
	}
	ln := &engine.Listener{New: fixed(core)}
	start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	send(t, nc, "ab")
	for _, want := range []string{"0 ab", "0 abc", "1 go", "0 bc"} {
		if got := receive(t, offers, "offer"); got != want {
			t.Errorf("offer = %q; want %q", got, want)
		}
		if want == "0 ab" {
			send(t, nc, "c")
		}
	}
	expect(t, nc, "ok")
}

// TestBytesBounded leaves everything unused: the reader stops at its limit, and
// the peer cannot go on.
func TestBytesBounded(t *testing.T) {
	inModes(t, func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client) {
		most := make(chan int, 1)
		core := &toy{bytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
			if len(p) == huge {
				most <- len(p)
			}
			return 0
		}}
		ln.New = fixed(core)
		start(t, engine.Config{}, ln)
		nc := connect(t)
		go func() { _, _ = nc.Write(make([]byte, 64<<20)) }()
		receive(t, most, "full buffer")
	})
}

// TestSlowReader stops the sender while the other end does not read.
func TestSlowReader(t *testing.T) {
	for _, moves := range []bool{false, true} {
		t.Run(fmt.Sprintf("moves=%v", moves), func(t *testing.T) {
			sent := make(chan int64, 1)
			const total = 64 << 20
			up := upstream(t, false, func(nc net.Conn) {
				_, _ = io.ReadFull(nc, make([]byte, 1))
				_ = nc.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				n, _ := nc.Write(make([]byte, total))
				sent <- int64(n)
				_ = nc.SetWriteDeadline(time.Time{})
				_, _ = nc.Write(make([]byte, total-n))
			})
			ln := &engine.Listener{New: newRelay(up, moves)}
			start(t, engine.Config{}, ln)
			nc := dial(t, ln)
			send(t, nc, "x")
			if n := receive(t, sent, "end of the first write"); n > total/2 {
				t.Errorf("server sent %d octets to a client that does not read; want it stopped", n)
			}
			if n, err := io.CopyN(io.Discard, nc, total); err != nil {
				t.Errorf("client got %d octets, %v; want all %d", n, err, total)
			}
			_ = nc.CloseWrite()
		})
	}
}

// TestSendOrder sends from the events of several legs at once: each event's
// octets stay together and in order.
func TestSendOrder(t *testing.T) {
	const lines, servers = 2000, 3
	up := upstream(t, false, func(nc net.Conn) {
		id := make([]byte, 1)
		if _, err := io.ReadFull(nc, id); err != nil {
			return
		}
		for i := range lines {
			_, _ = fmt.Fprintf(nc, "%s%05d\n", id, i)
		}
		_, _ = io.Copy(io.Discard, nc)
	})
	core := &toy{}
	left := lines * servers
	core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		if l == engine.Client {
			for range servers {
				d.Dial(up, false)
			}
			return len(p)
		}
		used := 0
		for len(p)-used >= 7 {
			d.Send(engine.Client, p[used:used+3])
			d.Send(engine.Client, p[used+3:used+7])
			used += 7
			left--
		}
		if left == 0 {
			for l := engine.Leg(0); l <= servers; l++ {
				d.Close(l, engine.Flush)
			}
		}
		return used
	}
	core.dialed = func(l engine.Leg, _ bool, err error, d engine.Driver) {
		if err == nil {
			d.Send(l, []byte{'a' + byte(l)})
		}
	}
	ln := &engine.Listener{New: fixed(core)}
	start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	send(t, nc, "x")
	got, err := io.ReadAll(nc)
	if err != nil || len(got) != 7*lines*servers {
		t.Fatalf("read %d octets, %v; want %d", len(got), err, 7*lines*servers)
	}
	next := map[byte]int{}
	for line := range strings.Lines(string(got)) {
		if want := fmt.Sprintf("%c%05d\n", line[0], next[line[0]]); line != want {
			t.Fatalf("line %q; want %q", line, want)
		}
		next[line[0]]++
	}
}

// TestEnd reports FIN and reset for what they are.
func TestEnd(t *testing.T) {
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprintf("reset=%v", reset), func(t *testing.T) {
			ends := make(chan error, 2)
			got := make(chan string, 1)
			core := &toy{}
			core.bytes = func(_ engine.Leg, p []byte, d engine.Driver) int {
				got <- string(p)
				return len(p)
			}
			core.end = func(l engine.Leg, err error, d engine.Driver) {
				ends <- err
				d.Close(l, engine.Flush)
			}
			ln := &engine.Listener{New: fixed(core)}
			e := start(t, engine.Config{}, ln)
			nc := dial(t, ln)
			send(t, nc, "last")
			if got := receive(t, got, "octets"); got != "last" {
				t.Errorf("got %q before the end", got)
			}
			if reset {
				_ = nc.SetLinger(0)
			}
			_ = nc.Close()
			err := receive(t, ends, "End")
			if reset != errors.Is(err, syscall.ECONNRESET) || !reset && err != nil {
				t.Errorf("End(%v) with reset=%v", err, reset)
			}
			wait(t, e)
		})
	}
}

// TestEndAfterHold keeps FIN back until the octets before it were offered.
func TestEndAfterHold(t *testing.T) {
	var events journal
	ended := make(chan struct{})
	core := &toy{}
	core.bytes = func(_ engine.Leg, p []byte, d engine.Driver) int {
		events.add(string(p))
		if string(p) == "a" {
			d.Hold(engine.Client, true)
			d.Wake(1)
		}
		return len(p)
	}
	core.tick = func(_ int64, _ engine.Cause, d engine.Driver) {
		events.add("tick")
		d.Hold(engine.Client, false)
	}
	core.end = func(l engine.Leg, err error, d engine.Driver) {
		events.add("end")
		d.Close(l, engine.Flush)
		close(ended)
	}
	a, b := net.Pipe()
	e := New(engine.Config{})
	e.ServeConn(b, &engine.Listener{New: fixed(core)})
	send(t, a, "a")
	go func() { _, _ = io.WriteString(a, "b"); _ = a.Close() }()
	receive(t, ended, "End")
	wait(t, e)
	want := "[a tick b end]"
	if got := fmt.Sprint(events.all()); got != want {
		t.Errorf("events = %v; want %v", got, want)
	}
}

// TestStartTLS is answered, by an error.
func TestStartTLS(t *testing.T) {
	answers := make(chan error, 1)
	core := &toy{}
	core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		d.StartTLS(l, true)
		return len(p)
	}
	core.secured = func(_ engine.Leg, err error, _ engine.Driver) { answers <- err }
	ln := &engine.Listener{New: fixed(core)}
	start(t, engine.Config{}, ln)
	send(t, dial(t, ln), "STARTTLS\r\n")
	if err := receive(t, answers, "Secured"); err == nil {
		t.Error("Secured(nil); want an error")
	}
}
