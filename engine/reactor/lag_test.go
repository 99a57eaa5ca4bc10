//go:build linux

package reactor

import (
	"sync/atomic"
	"testing"
	"time"

	"casbah/engine"
)

// A loop that is held up is seen to lag, from the next question on and for as long
// as it lasts; one beside it is not.
func TestLags(t *testing.T) {
	var now atomic.Int64
	now.Store(1_000_000)
	e, err := New(Config{Config: engine.Config{Clock: now.Load}, Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	wait := func(lp *loop) { // until all that was posted before is done
		done := make(chan struct{})
		lp.post(func() { close(done) })
		<-done
	}
	if lags := e.Lags(); len(lags) != 2 || lags[0] != 0 || lags[1] != 0 {
		t.Fatalf("Lags() = %v before anything was measured; want two zeros", lags)
	}
	wait(e.loops[0])
	wait(e.loops[1])

	held, release := make(chan struct{}), make(chan struct{})
	e.loops[0].post(func() { close(held); <-release })
	<-held
	e.Lags() // begins a measurement
	wait(e.loops[1])
	now.Add(int64(3 * time.Second))
	if lags := e.Lags(); lags[0] != 3*time.Second || lags[1] != 0 {
		t.Errorf("Lags() = %v while the first loop is held up; want 3s, 0", lags)
	}
	wait(e.loops[1])
	close(release)
	wait(e.loops[0])
	if lags := e.Lags(); lags[0] != 3*time.Second {
		t.Errorf("Lags() = %v; want the 3s that were measured", lags)
	}
	wait(e.loops[0])
	if lags := e.Lags(); lags[0] != 0 {
		t.Errorf("Lags() = %v once the loop goes on; want 0", lags)
	}
}

// A loop that is closed lags behind nothing.
func TestLagsOfAClosedEngine(t *testing.T) {
	var now atomic.Int64
	now.Store(1_000_000)
	e, err := New(Config{Config: engine.Config{Clock: now.Load}, Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	e.Lags()
	e.Close()
	for range 3 {
		if lags := e.Lags(); lags[0] != 0 {
			t.Errorf("Lags() = %v; want 0", lags)
		}
		now.Add(int64(time.Hour))
	}
}
