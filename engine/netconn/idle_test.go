package netconn

import (
	"runtime"
	"testing"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// A leg that waits holds no buffer, though it held one a moment ago: most
// connections of an appliance wait most of the time.
func TestIdleLegHoldsNoBuffer(t *testing.T) {
	const conns = 300
	e := New(engine.Config{})
	s := enginetest.Serve(t, e, &engine.Listener{New: enginetest.Echo})
	before := heap()
	for range conns {
		c := enginetest.Dial(t, s.Addr())
		enginetest.Send(t, c, "x")
		enginetest.Expect(t, c, "x")
	}
	if e.Open() != conns {
		t.Fatalf("%d connections are open; want %d", e.Open(), conns)
	}
	if each := (heap() - before) / conns; each > small/2 {
		t.Errorf("an idle connection takes %d octets of heap; want less than half a buffer of %d", each, small)
	}
}

// heap returns the octets that are in use once the pools are empty, which takes
// two collections.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
