package http1

import (
	"runtime"
	"testing"
	"time"

	"casbah/engine"
)

// idleBytes is how much memory a connection may take while nothing is asked on
// it, in octets, its connection to a server included.
const idleBytes = 320

// heapBytes returns how much memory is in use.
func heapBytes() uint64 {
	runtime.GC()
	runtime.GC() // what pools have kept through the first one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// idleMemory returns how many octets each of many cores takes between its
// requests: with its connection to a server, and once that is parked.
func idleMemory(tb testing.TB, s *site, req, resp string) (kept, parked float64) {
	tb.Helper()
	const n = 10_000
	d := new(sink)
	in, out := []byte(req), []byte(resp)
	cores := make([]engine.Core, n)
	before := heapBytes()
	per := func() float64 { return float64(int64(heapBytes()-before)) / n }
	for i := range cores {
		c := New(&s.cur, s.conn)
		c.Tick(epoch, engine.Deadline, d)
		c.Bytes(epoch, engine.Client, in, d)
		c.Dialed(epoch, 1, false, nil, d)
		c.Bytes(epoch, 1, out, d)
		cores[i] = c
	}
	kept = per()
	for _, c := range cores {
		c.Tick(epoch+int64(time.Second), engine.Deadline, d)
	}
	parked = per()
	for _, c := range cores { // they live until here
		if c, _ := c.(*Conn); c.x != nil || c.over {
			tb.Fatalf("not idle: %+v", c)
		}
	}
	return kept, parked
}

func TestIdleConnectionTakesLittleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	for _, tt := range []struct{ name, req, resp string }{
		{"free", request("/oab/x", ""), ok},
		{"pinned", request("/ews/x", "Authorization: NTLM TlRM"), ok},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			s.vip.Log = nil
			kept, parked := idleMemory(t, s, tt.req, tt.resp)
			t.Logf("%.0f octets for each idle connection, %.0f a second later", kept, parked)
			if kept > idleBytes {
				t.Errorf("an idle connection takes %.0f octets; want at most %d", kept, idleBytes)
			}
			if gone := parked < kept-1; gone != (tt.name == "free") {
				t.Errorf("%.0f octets while it has a server's connection, %.0f a second later", kept, parked)
			}
		})
	}
}
