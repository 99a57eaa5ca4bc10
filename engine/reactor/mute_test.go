//go:build linux

package reactor

import (
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// arrives sends a text to the one connection of r that nobody reads, and returns when
// it is there, behind unread octets, and its event is handled.
func (r *rig) arrives(nc net.Conn, text string, unread int) {
	r.t.Helper()
	enginetest.Send(r.t, nc, text)
	enginetest.Becomes(r.t, "octets in the socket", func() (n int) {
		r.on(func(lp *loop) { n, _ = unix.IoctlGetInt(int(lp.conns[0].legs[engine.Client].fd), unix.SIOCINQ) })
		return n
	}, unread+len(text))
	r.on(func(*loop) {})
}

// reluctant is a core that holds its client from the first octets on, and uses what
// comes once a minute has passed.
func reluctant(held chan<- struct{}, use func(p []byte, d engine.Driver)) *enginetest.Toy {
	wanted := false
	return &enginetest.Toy{
		OnOpen: func(now int64, d engine.Driver) { d.Wake(now + int64(time.Minute)) },
		OnTick: func(_ int64, _ engine.Cause, d engine.Driver) {
			wanted = true
			d.Hold(engine.Client, false)
		},
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			if !wanted {
				d.Hold(l, true)
				held <- struct{}{}
				return 0
			}
			use(p, d)
			return len(p)
		},
	}
}

// A core that does not want what comes is woken for it once, and no more; later
// it has all of it, the end too.
func TestUnwantedOctetsDoNotWake(t *testing.T) {
	var got strings.Builder
	ended, held := make(chan string, 1), make(chan struct{}, 1)
	core := reluctant(held, func(p []byte, _ engine.Driver) { got.Write(p) })
	core.OnEnd = func(l engine.Leg, _ error, d engine.Driver) {
		ended <- got.String()
		d.Close(l, engine.Flush)
	}
	r := newRig(t, &engine.Listener{New: enginetest.Fixed(core)})
	nc := enginetest.Dial(t, r.at)
	enginetest.Send(t, nc, "a")
	enginetest.Receive(t, held, "first octets")
	comes := func(s string, unread int) (wakes, muted bool) {
		r.on(func(lp *loop) { lp.conns[0].legs[engine.Client].hot = false })
		r.arrives(nc, s, unread)
		r.on(func(lp *loop) {
			l := lp.conns[0].legs[engine.Client]
			wakes, muted = l.hot, l.muted
			l.hot = true // there is something to read, as the event said
		})
		return wakes, muted
	}
	for i, want := range []struct{ wakes, muted bool }{{true, false}, {true, true}, {false, true}, {false, true}} {
		if wakes, muted := comes("b", i); wakes != want.wakes || muted != want.muted {
			t.Errorf("octets, time %d: the loop is woken: %v, asks for silence: %v; want %v, %v", i+1, wakes, muted, want.wakes, want.muted)
		}
	}
	if err := nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	enginetest.Becomes(t, "FINs of a leg that is silent", func() (told int) {
		r.on(func(lp *loop) {
			if lp.conns[0].legs[engine.Client].hup {
				told = 1
			}
		})
		return told
	}, 1)
	r.pass(time.Minute + slot)
	if all := enginetest.Receive(t, ended, "end"); all != "abbbb" {
		t.Errorf("%q came; want abbbb", all)
	}
	enginetest.ExpectEnd(t, nc)
}

// What follows wakes the loop again once the core has read on.
func TestWantedOctetsWakeAgain(t *testing.T) {
	held := make(chan struct{}, 1)
	core := reluctant(held, func(p []byte, d engine.Driver) { d.Send(engine.Client, p) })
	r := newRig(t, &engine.Listener{New: enginetest.Fixed(core)})
	nc := enginetest.Dial(t, r.at)
	enginetest.Send(t, nc, "a")
	enginetest.Receive(t, held, "first octets")
	for i := range 3 {
		r.arrives(nc, "b", i)
	}
	r.on(func(lp *loop) {
		if !lp.conns[0].legs[engine.Client].muted {
			t.Error("the leg is not silent")
		}
	})
	r.pass(time.Minute + slot)
	enginetest.Expect(t, nc, "abbb")
	for range 3 {
		enginetest.Send(t, nc, "c")
		enginetest.Expect(t, nc, "c")
	}
}
