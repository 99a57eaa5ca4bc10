package relay

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

func (s *sink) Send(engine.Leg, []byte) bool                { s.calls++; return false }
func (s *sink) Hold(engine.Leg, bool)                       { s.calls++ }
func (s *sink) Move(engine.Leg, engine.Leg, int64)          { s.calls++ }
func (s *sink) Dial(*balance.Endpoint, bool) engine.Leg     { s.calls++; return 1 }
func (s *sink) StartTLS(engine.Leg, bool)                   { s.calls++ }
func (s *sink) Close(engine.Leg, engine.How)                { s.calls++ }
func (s *sink) Wake(int64)                                  { s.calls++ }
func (s *sink) Waker() balance.Waker                        { return nil }
func (s *sink) Tie(engine.Leg, uint64) uint64               { s.calls++; return 0 }
func (s *sink) play(now int64, c engine.Core, octets int64) { s.up(now, c); s.down(now, c, octets) }

// up opens a connection up to its server.
func (s *sink) up(now int64, c engine.Core) {
	c.Tick(now, engine.Deadline, s)
	c.Dialed(now, 1, false, nil, s)
}

// down moves octets and ends both sides.
func (s *sink) down(now int64, c engine.Core, octets int64) {
	c.Moved(now, engine.Client, octets, s)
	c.End(now, engine.Client, nil, s)
	c.Moved(now, 1, octets, s)
	c.End(now, 1, nil, s)
}

// quiet returns a site with a chain and a log that keeps nothing.
func quiet(tb testing.TB) *site {
	tb.Helper()
	s := newSite(tb, persistence.Step{By: persistence.SourceIP})
	s.vip.Log = func(*route.Record) {}
	return s
}

// upBridge opens a connection up to the hello of its server, which comes in two
// pieces.
func (s *sink) upBridge(now int64, c engine.Core) {
	c.Tick(now, engine.Deadline, s)
	c.Bytes(now, engine.Client, greeting[:30], s)
	c.Bytes(now, engine.Client, greeting, s)
	c.Dialed(now, 1, false, nil, s)
	c.Bytes(now, 1, flight[:20], s)
	c.Bytes(now, 1, flight[20:], s)
}

// A connection costs its core; what moves and ticks afterwards costs nothing.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	bridge, d := newBridge(t, persistence.SourceIP, persistence.SSLID), new(sink)
	bridge.vip.Log = func(*route.Record) {}
	for _, tt := range []struct {
		name  string
		site  *site
		up    func(now int64, c engine.Core)
		state uintptr // octets beside the core and its pair
	}{
		{"relay", quiet(t), d.up, 0},
		{"bridge", bridge, d.upBridge, unsafe.Sizeof(helloReader{})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := epoch
			if n := least(func() {
				now += 1e6
				c := New(&tt.site.cur, tt.site.conn)
				tt.up(now, c)
				d.down(now, c, 1000)
			}); n > 1 {
				t.Errorf("%v allocations for each connection; want 1", n)
			}
			c := New(&tt.site.cur, tt.site.conn)
			tt.up(now, c)
			if n := least(func() {
				now += int64(30 * time.Second)
				c.Moved(now, engine.Client, 1000, d)
				c.Moved(now, 1, 1000, d)
				c.Tick(now, engine.Deadline, d)
			}); n != 0 {
				t.Errorf("%v allocations for octets and a tick; want 0", n)
			}
			size := unsafe.Sizeof(Conn{}) + unsafe.Sizeof(pair{}) + tt.state
			if size > 1024 {
				t.Errorf("an open connection holds %d octets; want at most 1024", size)
			}
			t.Logf("an open connection holds %d octets", size)
		})
	}
}

// least returns how often run allocates, at its best: a collection in between
// empties the pools.
func least(run func()) float64 {
	best := 100.0
	for range 5 {
		best = min(best, testing.AllocsPerRun(200, run))
	}
	return best
}

func BenchmarkConnection(b *testing.B) {
	s, d := quiet(b), new(sink)
	now := epoch
	b.ReportAllocs()
	for b.Loop() {
		now += 1e6
		d.play(now, New(&s.cur, s.conn), 1000)
	}
}
