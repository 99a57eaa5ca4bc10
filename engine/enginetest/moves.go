package enginetest

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// moves returns how octets are moved that no core looks at.
func moves() []behaviour {
	return []behaviour{
		{"move-lengths", moveLengths, alone},
		{"move-progress", moveProgress, alone},
		{"move-cut-short", moveCutShort, alone},
		{"move-to-closed-leg", moveToClosedLeg, alone},
		{"move-held", moveHeld, alone},
		{"move-long", longMoves, alone},
		{"move-unpaced", moveUnpaced, alone},
	}
}

// framed is a core that passes messages on: an octet, a length in 9 digits, a
// body that is moved.
type framed struct {
	Toy
	t     *trial
	heads strings.Builder // octets that messages began with
	done  int             // Moves that were reported to the end
	left  int64           // of the Move that runs
}

// framedHead is the length of the head of a message.
const framedHead = 10

func newFramed(t *trial, to *balance.Endpoint) *framed {
	t.Helper()
	f := &framed{t: t}
	dialled := false
	f.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		switch {
		case l != engine.Client:
			d.Send(engine.Client, p)
			return len(p)
		case !dialled:
			dialled = true
			d.Hold(engine.Client, true)
			d.Dial(to, false)
			return 0
		}
		return f.message(p, d)
	}
	f.OnDialed = func(_ engine.Leg, _ bool, err error, d engine.Driver) {
		if err != nil {
			t.Errorf("Dialed(%v)", err)
		}
		d.Hold(engine.Client, false)
	}
	f.OnMoved = func(_ engine.Leg, n int64, _ engine.Driver) {
		if f.left -= n; f.left == 0 {
			f.done++
		}
	}
	f.OnEnd = func(l engine.Leg, err error, d engine.Driver) {
		if err != nil {
			t.Errorf("End(%d, %v)", l, err)
		}
		if l == engine.Client {
			d.Close(1, engine.Half)
			return
		}
		d.Close(engine.Client, engine.Flush)
		d.Close(1, engine.Flush)
	}
	return f
}

// message passes on the head at the front of p, and moves the body.
func (f *framed) message(p []byte, d engine.Driver) int {
	if len(p) < framedHead {
		return 0
	}
	if f.left != 0 {
		f.t.Errorf("Bytes(%.20q) while a Move has %d octets left", p, f.left)
	}
	f.heads.Write(p[:1])
	if _, err := fmt.Sscanf(string(p[1:framedHead]), "%d", &f.left); err != nil {
		f.t.Errorf("head %q: %v", p[:framedHead], err)
	}
	d.Send(1, p[:framedHead])
	d.Move(engine.Client, 1, f.left)
	return framedHead
}

// moveLengths moves bodies of many sizes between heads that the core is shown.
func moveLengths(t *trial) {
	var sent strings.Builder
	for i, n := range append([]int{16<<10 - framedHead}, sizes...) {
		fmt.Fprintf(&sent, "%c%09d%s", 'a'+i, n, strings.Repeat(string(rune('A'+i)), n))
	}
	for _, secure := range []bool{false, true} {
		t.run(fmt.Sprintf("upstream-tls=%v", secure), func(t *trial) {
			t.inModes(func(t *trial, m mode) {
				core := newFramed(t, Upstream(t, secure, EchoServer))
				s := t.start(engine.Config{}, m.listener(Fixed(core)))
				nc := m.dial(t, s.at)
				go func() {
					_, _ = io.WriteString(nc, sent.String())
					_ = nc.CloseWrite()
				}()
				got, err := io.ReadAll(nc)
				if wrong := same(got, []byte(sent.String())); wrong != "" || err != nil {
					t.Errorf("%s; %v", wrong, err)
				}
				Wait(t, s)
				if got, want := core.heads.String(), "abcdefghijklmn"; got != want {
					t.Errorf("heads = %q; want %q", got, want)
				}
				if want := len(sizes) + 1; core.done != want {
					t.Errorf("%d Moves were reported to their end; want %d", core.done, want)
				}
			})
		})
	}
}

// moveProgress reports a Move that goes on: all that has come, before a tick.
func moveProgress(t *trial) {
	for _, m := range []mode{plain, overTLS} {
		t.run(m.name, func(t *trial) {
			seen := make(chan int64, 1) // octets that were reported at the last tick
			core := newReporter(Upstream(t, false, EchoServer), seen)
			s := t.start(engine.Config{}, m.listener(Fixed(core)))
			nc := m.dial(t, s.at)
			for total := int64(5); total <= 15; total += 5 {
				Send(t, nc, "12345")
				Expect(t, nc, "12345") // so they were moved
				got := int64(-1)
				for got < total { // a tick may have been before that
					got = Receive(t, seen, fmt.Sprintf("tick with %d octets reported, after %d,", total, got))
				}
				if got > total {
					t.Errorf("%d octets were reported; want %d", got, total)
				}
			}
		})
	}
}

// newReporter returns a core that moves what its client sends, and puts what
// was reported of that into seen at every tick.
func newReporter(to *balance.Endpoint, seen chan int64) *Toy {
	moved, last := int64(0), int64(-1)
	core := &Toy{
		OnMoved: func(_ engine.Leg, n int64, _ engine.Driver) { moved += n },
		OnTick: func(now int64, _ engine.Cause, d engine.Driver) {
			if moved != last {
				last = moved
				seen <- moved
			}
			d.Wake(now + int64(5*time.Millisecond))
		},
	}
	core.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		if l == engine.Client {
			d.Move(engine.Client, d.Dial(to, false), -1)
			d.Wake(core.after(0))
			return 0
		}
		d.Send(engine.Client, p)
		return len(p)
	}
	return core
}

// moveCutShort reports what was moved before the End that cuts a Move short.
func moveCutShort(t *trial) {
	t.inModes(func(t *trial, m mode) {
		up := Upstream(t, false, Discard)
		told := make(chan string, 4)
		total := int64(0)
		core := &Toy{
			OnBytes: func(_ engine.Leg, _ []byte, d engine.Driver) int {
				d.Move(engine.Client, d.Dial(up, false), 1000)
				return 0
			},
			OnMoved: func(_ engine.Leg, n int64, _ engine.Driver) { total += n },
			OnEnd: func(l engine.Leg, err error, d engine.Driver) {
				told <- fmt.Sprintf("end of %d, %v, %d moved", l, err, total)
				d.Close(engine.Client, engine.Flush)
				d.Close(1, engine.Flush)
			},
		}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Send(t, nc, strings.Repeat("x", 400))
		Send(t, nc, strings.Repeat("y", 500))
		_ = nc.CloseWrite()
		ExpectEnd(t, nc)
		_ = nc.Close()
		Wait(t, s)
		if got, want := Receive(t, told, "End"), "end of 0, <nil>, 900 moved"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
		if len(told) > 0 {
			t.Errorf("%s after the end of all", <-told)
		}
	})
}

// moveToClosedLeg shows the core what a Move did not take when its target was
// closed.
func moveToClosedLeg(t *trial) {
	came := make(chan struct{})
	up := Upstream(t, false, func(nc net.Conn) {
		_, _ = io.ReadFull(nc, make([]byte, len("moved")))
		close(came)
		Discard(nc)
	})
	rest := make(chan string, 1)
	var moved int64
	began := false
	core := &Toy{
		OnMoved: func(_ engine.Leg, n int64, _ engine.Driver) { moved += n },
		OnTick: func(now int64, _ engine.Cause, d engine.Driver) {
			select {
			case <-came:
				d.Close(1, engine.Reset)
				d.Send(engine.Client, []byte("go on"))
			default:
				d.Wake(now + int64(time.Millisecond))
			}
		},
	}
	core.OnBytes = func(_ engine.Leg, p []byte, d engine.Driver) int {
		if !began {
			began = true
			d.Move(engine.Client, d.Dial(up, false), 1<<40)
			d.Wake(core.after(0))
			return 0
		}
		rest <- fmt.Sprintf("%s after %d", p, moved)
		d.Close(engine.Client, engine.Flush)
		return len(p)
	}
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
	nc := Dial(t, s.at)
	Send(t, nc, "moved")
	Expect(t, nc, "go on")
	Send(t, nc, "shown")
	if got, want := Receive(t, rest, "rest"), "shown after 5"; got != want {
		t.Errorf("rest = %q; want %q", got, want)
	}
	_ = nc.Close()
	Wait(t, s)
}

// moveHeld stops a Move while its source is held.
func moveHeld(t *trial) {
	const hold = 50 * time.Millisecond
	for _, m := range []mode{plain, overTLS} {
		t.run(m.name, func(t *trial) {
			up := Upstream(t, false, EchoServer)
			var total, whileHeld int64
			core := &Toy{
				OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
					if l == engine.Client {
						d.Dial(up, false)
					} else {
						d.Send(engine.Client, p)
					}
					return len(p)
				},
				OnMoved: func(_ engine.Leg, n int64, _ engine.Driver) { total += n },
				OnTick: func(_ int64, why engine.Cause, d engine.Driver) {
					if why == engine.Deadline {
						whileHeld = total // Moved is called before Tick
						d.Hold(engine.Client, false)
					}
				},
				OnEnd: func(_ engine.Leg, _ error, d engine.Driver) {
					d.Close(engine.Client, engine.Flush)
					d.Close(1, engine.Flush)
				},
			}
			core.OnDialed = func(l engine.Leg, _ bool, _ error, d engine.Driver) {
				d.Move(engine.Client, l, -1)
				d.Hold(engine.Client, true)
				d.Send(engine.Client, []byte("held"))
				d.Wake(core.after(hold))
			}
			s := t.start(engine.Config{}, m.listener(Fixed(core)))
			nc := m.dial(t, s.at)
			Send(t, nc, "x")
			Expect(t, nc, "held")
			body := strings.Repeat("z", 4<<20)
			go func() { _, _ = io.WriteString(nc, body) }()
			Expect(t, nc, body)
			_ = nc.Close()
			Wait(t, s)
			if whileHeld != 0 || total != int64(len(body)) {
				t.Errorf("%d octets moved while held, %d in all; want 0, %d", whileHeld, total, len(body))
			}
		})
	}
}

// longMoves runs many long Moves at once, some cut off in the middle: they
// bring the right octets and leave no descriptor behind.
func longMoves(t *trial) {
	const clients = 24
	body := randomBody(3 << 20)
	up := Upstream(t, false, func(nc net.Conn) {
		var ask [1]byte
		if _, err := io.ReadFull(nc, ask[:]); err == nil {
			_, _ = nc.Write(body)
		}
	})
	s := t.start(engine.Config{}, &engine.Listener{New: Relay(up, true)})
	round := func() {
		var all sync.WaitGroup
		for i := range clients {
			most := int64(len(body))
			if i%3 == 0 { // gone in the middle
				most = int64(1 + i*100_000)
			}
			all.Go(func() { takeBody(t, s, body[:most]) })
		}
		all.Wait()
		Wait(t, s)
	}
	round() // fills the pools
	before := descriptors()
	for range 3 {
		round()
	}
	descriptorsFallTo(t, before+clients) // pipes in the pool
}

// takeBody asks for a body, wants it to begin with want, and goes then.
func takeBody(t *trial, s *served, want []byte) {
	nc, err := tryDial(t, s.at)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	_, _ = nc.Write([]byte("?"))
	got := make([]byte, len(want))
	n, err := io.ReadFull(nc, got)
	if wrong := same(got[:n], want); wrong != "" {
		t.Errorf("%s; %v", wrong, err)
	}
}

// descriptorsFallTo waits until the process has no more descriptors open: some
// may be the collector's to close.
func descriptorsFallTo(t *trial, most int) {
	t.Helper()
	for end := time.Now().Add(Patience); descriptors() > most; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors are open after %v; want at most %d", descriptors(), Patience, most)
		}
		runtime.GC()
	}
}

// descriptors returns how many descriptors the process has open; 0 where it
// cannot tell.
func descriptors() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}
