//go:build linux

package reactor

import (
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// slot is how late a deadline may be met.
const slot = time.Duration(1) << slotBits

// fromLoopback lists every client of these tests as a sender of PROXY headers.
var fromLoopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// rig is an engine with one loop, whose clock stands unless a test moves it.
type rig struct {
	*Engine
	t     *testing.T
	clock atomic.Int64
	at    netip.AddrPort
	why   chan engine.Reason // of each refusal
}

// newRig serves ln until the end of t.
func newRig(t *testing.T, ln *engine.Listener) *rig {
	t.Helper()
	r := &rig{t: t, why: make(chan engine.Reason, 1024)}
	r.clock.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	cfg := engine.Config{Clock: r.clock.Load, OnPanic: func(where string, value any, stack []byte) {
		t.Errorf("panic at %s: %v\n%s", where, value, stack)
	}}
	var err error
	if r.Engine, err = New(Config{Config: cfg, Loops: 1}); err != nil {
		t.Fatal(err)
	}
	ln.OnRefuse = func(why engine.Reason) { r.why <- why }
	r.at = enginetest.Serve(t, r, ln).Addr()
	return r
}

// on calls f on the loop, and returns at the end of the turn.
func (r *rig) on(f func(lp *loop)) {
	r.t.Helper()
	lp := r.loops[0]
	for _, f := range []func(*loop){f, func(*loop) {}} {
		done := make(chan struct{})
		lp.post(func() { f(lp); close(done) })
		enginetest.Receive(r.t, done, "turn of the loop")
	}
}

// pass moves the clock, and returns when what is due by then is done.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	r.clock.Add(int64(d))
	r.on(func(*loop) {})
}

// legs returns how many sockets of connections the loop has, and how many of
// them are parked.
func (r *rig) legs() (open, parked int) {
	r.on(func(lp *loop) {
		for _, l := range lp.legs {
			if l != nil {
				open++
			}
		}
		parked = lp.parked
	})
	return open, parked
}

// wantLegs waits until there are that many.
func (r *rig) wantLegs(open, parked int) {
	r.t.Helper()
	enginetest.Becomes(r.t, "legs of the loop", func() int { n, _ := r.legs(); return n }, open)
	if _, n := r.legs(); n != parked {
		r.t.Errorf("%d legs are parked; want %d", n, parked)
	}
}

// descriptors returns how many the process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(open)
}
