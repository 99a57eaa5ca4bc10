package bridge

import (
	"testing"
	"time"
	"unsafe"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// sink is a driver that takes everything and does nothing, without allocating.
type sink struct{ calls int }

func (s *sink) Send(engine.Leg, []byte) bool            { s.calls++; return false }
func (s *sink) Hold(engine.Leg, bool)                   { s.calls++ }
func (s *sink) Move(engine.Leg, engine.Leg, int64)      { s.calls++ }
func (s *sink) Dial(*balance.Endpoint, bool) engine.Leg { s.calls++; return 1 }
func (s *sink) StartTLS(engine.Leg, bool)               { s.calls++ }
func (s *sink) Close(engine.Leg, engine.How)            { s.calls++ }
func (s *sink) Wake(int64)                              { s.calls++ }

// up opens a connection up to the hello of its server, which comes in two pieces.
func (s *sink) up(now int64, c engine.Core) {
	c.Tick(now, engine.Deadline, s)
	c.Bytes(now, engine.Client, greeting[:30], s)
	c.Bytes(now, engine.Client, greeting, s)
	c.Dialed(now, 1, false, nil, s)
	c.Bytes(now, 1, flight[:20], s)
	c.Bytes(now, 1, flight[20:], s)
}

// down ends both sides.
func (s *sink) down(now int64, c engine.Core) {
	c.End(now, engine.Client, nil, s)
	c.End(now, 1, nil, s)
}

// A connection costs its core; what moves and ticks afterwards costs nothing.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	s, d := newSite(t, persistence.SourceIP, persistence.SSLID), new(sink)
	s.vip.Log = func(*route.Record) {}
	now := epoch
	least := func(run func()) float64 {
		best := 100.0
		for range 5 { // a collection in between empties the pools
			best = min(best, testing.AllocsPerRun(200, run))
		}
		return best
	}
	if n := least(func() {
		now += 1e6
		c := New(&s.cur, s.conn)
		d.up(now, c)
		d.down(now, c)
	}); n > 1 {
		t.Errorf("%v allocations for each connection; want 1", n)
	}
	c := New(&s.cur, s.conn)
	d.up(now, c)
	if n := least(func() {
		now += int64(30 * time.Second)
		c.Moved(now, engine.Client, 1000, d)
		c.Moved(now, 1, 1000, d)
		c.Tick(now, engine.Deadline, d)
	}); n != 0 {
		t.Errorf("%v allocations for octets and a tick; want 0", n)
	}
	if size := unsafe.Sizeof(Conn{}) + unsafe.Sizeof(pair{}); size > 1024 {
		t.Errorf("an open connection holds %d octets; want at most 1024", size)
	} else {
		t.Logf("an open connection holds %d octets", size)
	}
}
