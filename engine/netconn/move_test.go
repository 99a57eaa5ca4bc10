package netconn

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// framed is a core that passes messages on: an octet, a length in 9 digits, a
// body that is moved.
type framed struct {
	toy
	t      *testing.T
	to     *balance.Endpoint
	heads  journal
	bodies journal
	left   int64
}

const framedHead = 10

func newFramed(t *testing.T, to *balance.Endpoint) *framed {
	t.Helper()
	f := &framed{t: t, to: to}
	dialled := false
	f.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		if l != engine.Client {
			d.Send(engine.Client, p)
			return len(p)
		}
		if !dialled {
			dialled = true
			d.Hold(engine.Client, true)
			d.Dial(to, false)
			return 0
		}
		if len(p) < framedHead {
			return 0
		}
		if f.left != 0 {
			t.Errorf("Bytes(%.20q) while a Move has %d octets left", p, f.left)
		}
		f.heads.add(string(p[:1]))
		if _, err := fmt.Sscanf(string(p[1:framedHead]), "%d", &f.left); err != nil {
			t.Error(err)
		}
		d.Send(1, p[:framedHead])
		d.Move(engine.Client, 1, f.left)
		return framedHead
	}
	f.dialed = func(_ engine.Leg, _ bool, err error, d engine.Driver) {
		if err != nil {
			t.Error(err)
		}
		d.Hold(engine.Client, false)
	}
	f.moved = func(from engine.Leg, n int64, _ engine.Driver) {
		if f.left -= n; f.left == 0 {
			f.bodies.add("done")
		}
	}
	f.end = func(l engine.Leg, err error, d engine.Driver) {
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

// TestMove moves bodies of many sizes between heads that are shown to the core.
func TestMove(t *testing.T) {
	var sent strings.Builder
	sizes := []int{1, 100, small - framedHead, small, small + 1, large, huge + 1, 1 << 20, 7, 3}
	for i, n := range sizes {
		fmt.Fprintf(&sent, "%c%09d%s", 'a'+i, n, strings.Repeat(string(rune('A'+i)), n))
	}
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("upstream-tls=%v", secure), func(t *testing.T) {
			inModes(t, func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client) {
				core := newFramed(t, upstream(t, secure, echoServer))
				ln.New = fixed(core)
				e := start(t, engine.Config{}, ln)
				nc := connect(t)
				go func() {
					_, _ = io.WriteString(nc, sent.String())
					_ = nc.CloseWrite()
				}()
				got, err := io.ReadAll(nc)
				if err != nil || string(got) != sent.String() {
					t.Errorf("%d octets came back, %v; want the %d sent", len(got), err, sent.Len())
				}
				wait(t, e)
				if got, want := strings.Join(core.heads.all(), ""), "abcdefghij"; got != want {
					t.Errorf("heads = %q; want %q", got, want)
				}
				if got := len(core.bodies.all()); got != len(sizes) {
					t.Errorf("%d Moves were reported as done; want %d", got, len(sizes))
				}
			})
		})
	}
}

// TestMoveShort reports what was moved before the End that cuts a Move short.
func TestMoveShort(t *testing.T) {
	var events journal
	up := upstream(t, false, func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) })
	core := &toy{}
	core.bytes = func(_ engine.Leg, _ []byte, d engine.Driver) int {
		d.Move(engine.Client, d.Dial(up, false), 1000)
		return 0
	}
	total := int64(0)
	core.moved = func(_ engine.Leg, n int64, _ engine.Driver) { total += n }
	core.end = func(l engine.Leg, err error, d engine.Driver) {
		events.add(fmt.Sprint("end ", l, err, " moved ", total))
		d.Close(0, engine.Flush)
		d.Close(1, engine.Flush)
	}
	ln := &engine.Listener{New: fixed(core)}
	e := start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	send(t, nc, strings.Repeat("x", 400))
	send(t, nc, strings.Repeat("y", 500))
	_ = nc.CloseWrite()
	expectEnd(t, nc)
	wait(t, e)
	if got, want := fmt.Sprint(events.all()), "[end 0 <nil> moved 900]"; got != want {
		t.Errorf("events = %v; want %v", got, want)
	}
}

// TestMoveToClosedLeg shows the core what a Move did not take when its target
// was closed.
func TestMoveToClosedLeg(t *testing.T) {
	up := upstream(t, false, func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) })
	rest := make(chan string, 1)
	var moved int64
	core := &toy{}
	began := false
	core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		if !began {
			began = true
			d.Move(engine.Client, d.Dial(up, false), 1<<40)
			return 0
		}
		rest <- fmt.Sprintf("%s after %d", p, moved)
		d.Close(engine.Client, engine.Flush)
		return len(p)
	}
	core.dialed = func(_ engine.Leg, _ bool, _ error, d engine.Driver) { d.Wake(1) }
	core.moved = func(_ engine.Leg, n int64, _ engine.Driver) { moved += n }
	core.tick = func(_ int64, _ engine.Cause, d engine.Driver) {
		d.Close(1, engine.Reset)
		d.Send(engine.Client, []byte("go on"))
	}
	ln := &engine.Listener{New: fixed(core)}
	e := start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	send(t, nc, "moved")
	expect(t, nc, "go on")
	send(t, nc, "shown")
	if got, want := receive(t, rest, "rest"), "shown after 5"; got != want {
		t.Errorf("rest = %q; want %q", got, want)
	}
	_ = nc.Close()
	wait(t, e)
}

// TestMoveHeld stops a Move while its source is held.
func TestMoveHeld(t *testing.T) {
	const hold = 50 * time.Millisecond
	up := upstream(t, false, echoServer)
	core := &toy{}
	var total, whileHeld int64
	core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		if l == engine.Client {
			d.Dial(up, false)
		} else {
			d.Send(engine.Client, p)
		}
		return len(p)
	}
	core.dialed = func(l engine.Leg, _ bool, _ error, d engine.Driver) {
		d.Move(engine.Client, l, -1)
		d.Hold(engine.Client, true)
		d.Send(engine.Client, []byte("held"))
		d.Wake(time.Now().Add(hold).UnixNano())
	}
	core.moved = func(_ engine.Leg, n int64, _ engine.Driver) { total += n }
	core.tick = func(_ int64, _ engine.Cause, d engine.Driver) {
		whileHeld = total // Moved is called before Tick
		d.Hold(engine.Client, false)
	}
	core.end = func(_ engine.Leg, _ error, d engine.Driver) {
		d.Close(0, engine.Flush)
		d.Close(1, engine.Flush)
	}
	ln := &engine.Listener{New: fixed(core)}
	e := start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	send(t, nc, "x")
	expect(t, nc, "held")
	began := time.Now()
	body := strings.Repeat("z", 4<<20)
	go func() { _, _ = io.WriteString(nc, body) }()
	expect(t, nc, body)
	if took := time.Since(began); took < hold/2 {
		t.Errorf("the body came through in %v; want it held for %v", took, hold)
	}
	_ = nc.Close()
	wait(t, e)
	if whileHeld != 0 || total != int64(len(body)) {
		t.Errorf("%d octets moved while held, %d in all; want 0, %d", whileHeld, total, len(body))
	}
}
