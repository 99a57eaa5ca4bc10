package enginetest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"casbah/engine"
)

// octets returns how octets come and go while nothing ends.
func octets() []behaviour {
	return []behaviour{
		{"octets-echo", echo, alone},
		{"octets-greeting", greeting, alone},
		{"octets-relay", relayed, alone},
		{"octets-again", offeredAgain, alone},
		{"octets-unread-part-of-record", unreadAndPart, alone},
		{"octets-bounded", offersBounded, together},
		{"octets-slow-reader", slowReader, alone},
		{"octets-order", sendOrder, alone},
		{"octets-small-records", smallRecords, alone},
	}
}

// sizes are those around which drivers read and write.
var sizes = []int{1, 100, 1024, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64 << 10, 64<<10 + 1, 128<<10 + 1, 300 << 10, 1 << 20, 7, 3}

// echo sends back octets of every size.
func echo(t *trial) {
	t.inModes(func(t *trial, m mode) {
		s := t.start(engine.Config{}, m.listener(Echo))
		nc := m.dial(t, s.at)
		for _, n := range sizes {
			body := strings.Repeat("x", n-1) + "\n"
			go func() { _, _ = io.WriteString(nc, body) }()
			Expect(t, nc, body)
		}
		if err := nc.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		ExpectEnd(t, nc)
		_ = nc.Close()
		Wait(t, s)
	})
}

// greeting speaks before the client does.
func greeting(t *trial) {
	t.inModes(func(t *trial, m mode) {
		core := &Toy{OnOpen: func(_ int64, d engine.Driver) { d.Send(engine.Client, []byte("220 ready\r\n")) }}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		Expect(t, m.dial(t, s.at), "220 ready\r\n")
	})
}

// randomBody returns n octets that are the same every time.
func randomBody(n int) []byte {
	body := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(body)
	return body
}

// same reports where octets that came differ from those sent, or "".
func same(got, want []byte) string {
	if bytes.Equal(got, want) {
		return ""
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	return fmt.Sprintf("%d octets came of %d; the first %d are right", len(got), len(want), at)
}

// relayed passes a large random body both ways at once, by Send and by Move,
// to a plain and a TLS server.
func relayed(t *trial) {
	body := randomBody(3 << 20)
	for _, secure := range []bool{false, true} {
		for _, moves := range []bool{false, true} {
			t.run(fmt.Sprintf("upstream-tls=%v/moves=%v", secure, moves), func(t *trial) {
				t.inModes(func(t *trial, m mode) {
					s := t.start(engine.Config{}, m.listener(Relay(Upstream(t, secure, EchoServer), moves)))
					nc := m.dial(t, s.at)
					var sending sync.WaitGroup
					sending.Go(func() {
						_, _ = nc.Write(body)
						_ = nc.CloseWrite()
					})
					got, err := io.ReadAll(nc)
					if wrong := same(got, body); wrong != "" || err != nil {
						t.Errorf("%s; %v", wrong, err)
					}
					sending.Wait()
					Wait(t, s)
				})
			})
		}
	}
}

// offeredAgain offers what was left unused with more behind it, and again
// after Hold is lifted by the event of another leg.
func offeredAgain(t *trial) {
	t.inModes(func(t *trial, m mode) {
		offers := make(chan string, 4)
		up := Upstream(t, false, func(nc net.Conn) {
			_, _ = io.WriteString(nc, "go")
			Discard(nc)
		})
		core := &Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
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
		}}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Send(t, nc, "ab")
		for _, want := range []string{"0 ab", "0 abc", "1 go", "0 bc"} {
			if got := Receive(t, offers, "offer"); got != want {
				t.Errorf("offer = %q; want %q", got, want)
			}
			if want == "0 ab" {
				Send(t, nc, "c")
			}
		}
		Expect(t, nc, "ok")
	})
}

// The octets that a driver offers to a core that uses none of them: at least
// what a protocol may need to see at once, at most what a client may cost.
const (
	leastOffer = 64 << 10
	mostOffer  = 1 << 20
)

// offersBounded leaves everything unused: the driver stops reading, and the
// client cannot go on.
func offersBounded(t *trial) {
	const unread = 64 << 20 // more than the buffers of the system take
	t.inModesTogether(func(t *trial, m mode) {
		var most atomic.Int64
		enough := make(chan struct{})
		core := &Toy{OnBytes: func(_ engine.Leg, p []byte, _ engine.Driver) int {
			if before := most.Swap(int64(len(p))); before < leastOffer && len(p) >= leastOffer {
				close(enough)
			}
			return 0
		}}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Send(t, nc, string(make([]byte, leastOffer)))
		Receive(t, enough, fmt.Sprintf("offer of %d octets", leastOffer))
		if n := writeUntilStuck(nc, unread); n == unread {
			t.Errorf("the client sent %d octets to a core that uses nothing; want it stopped", n)
		}
		if got := most.Load(); got > mostOffer {
			t.Errorf("%d octets were offered; want at most %d", got, mostOffer)
		}
	})
}

// writeUntilStuck writes n octets, or as many as go while each lot of them goes
// within some time, and returns how many these were. What was not sent of the
// last lot breaks TLS.
func writeUntilStuck(nc net.Conn, n int) (sent int) {
	lot := make([]byte, 256<<10)
	for err := error(nil); err == nil && sent < n; {
		_ = nc.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		var m int
		m, err = nc.Write(lot[:min(len(lot), n-sent)])
		sent += m
	}
	_ = nc.SetWriteDeadline(time.Time{})
	return sent
}

// slowReader stops the server while the client does not read.
func slowReader(t *trial) {
	for _, m := range []mode{plain, overTLS} {
		for _, moves := range []bool{false, true} {
			t.run(fmt.Sprintf("%s/moves=%v", m.name, moves), func(t *trial) {
				// What the buffers of the system hold is not the driver's.
				const most, total = 48 << 20, 64 << 20
				sent := make(chan int, 1)
				up := Upstream(t, false, func(nc net.Conn) {
					_, _ = io.ReadFull(nc, make([]byte, 1))
					sent <- writeUntilStuck(nc, total)
					_, _ = nc.Write(make([]byte, 1<<20))
				})
				s := t.start(engine.Config{}, m.listener(Relay(up, moves)))
				tcp := Dial(t, s.at)
				_ = tcp.SetReadBuffer(64 << 10)
				nc := m.over(tcp)
				Send(t, nc, "x")
				n := Receive(t, sent, "stop of the server")
				if n > most {
					t.Errorf("the server sent %d octets to a client that does not read; want it stopped before %d", n, most)
				}
				if got, err := io.CopyN(io.Discard, nc, int64(n+1<<20)); err != nil {
					t.Errorf("the client got %d octets, %v; want all %d", got, err, n+1<<20)
				}
			})
		}
	}
}

// The lines of sendOrder: who, and which.
const (
	orderLines   = 2000
	orderServers = 3
	orderLine    = 7 // octets
)

// orderServer answers its name with lines of it.
func orderServer(nc net.Conn) {
	name := make([]byte, 1)
	if _, err := io.ReadFull(nc, name); err != nil {
		return
	}
	for i := range orderLines {
		_, _ = fmt.Fprintf(nc, "%s%05d\n", name, i)
	}
	Discard(nc)
}

// sendOrder sends from the events of several legs at once: each event's octets
// stay together and in order.
func sendOrder(t *trial) {
	up := Upstream(t, false, orderServer)
	left := orderLines * orderServers
	core := &Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
		if l == engine.Client {
			for range orderServers {
				d.Dial(up, false)
			}
			return len(p)
		}
		used := 0
		for ; len(p)-used >= orderLine; used += orderLine {
			d.Send(engine.Client, p[used:used+3])
			d.Send(engine.Client, p[used+3:used+orderLine])
			left--
		}
		if left == 0 {
			for l := engine.Leg(0); l <= orderServers; l++ {
				d.Close(l, engine.Flush)
			}
		}
		return used
	}}
	core.OnDialed = func(l engine.Leg, _ bool, err error, d engine.Driver) {
		if err != nil {
			t.Errorf("Dialed(%v)", err)
		}
		d.Send(l, []byte{'a' + byte(l)})
	}
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
	nc := Dial(t, s.at)
	Send(t, nc, "x")
	got, err := io.ReadAll(nc)
	if want := orderLine * orderLines * orderServers; err != nil || len(got) != want {
		t.Fatalf("read %d octets, %v; want %d", len(got), err, want)
	}
	next := map[byte]int{}
	for line := range strings.Lines(string(got)) {
		if want := fmt.Sprintf("%c%05d\n", line[0], next[line[0]]); line != want {
			t.Fatalf("line %q; want %q", line, want)
		}
		next[line[0]]++
	}
}

// smallRecords sends records of one octet, and others, there and back: none of
// them waits for more.
func smallRecords(t *trial) {
	for _, up := range []bool{false, true} {
		t.run(fmt.Sprintf("relay=%v", up), func(t *trial) {
			ln := overTLS.listener(Echo)
			if up {
				ln.New = Relay(Upstream(t, true, EchoServer), false)
			}
			s := t.start(engine.Config{}, ln)
			nc := overTLS.dial(t, s.at)
			for range 5 {
				for _, n := range []int{1, 2, 1, 100, 16 << 10, 1} {
					body := strings.Repeat("z", n)
					Send(t, nc, body)
					Expect(t, nc, body)
				}
			}
		})
	}
}
