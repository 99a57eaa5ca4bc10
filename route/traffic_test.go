package route

import (
	"testing"
	"time"

	"casbah/balance"
	"casbah/persistence"
)

// A request is counted once, by its status and its time; the totals are sums.
func TestCount(t *testing.T) {
	c := new(Counters)
	owa := &Profile{Name: "owa", Traffic: c.Traffic("owa", "cas")}
	v := &VIP{Counters: c}
	for _, f := range []Finished{
		{Profile: owa, Status: 200, Wait: Bounds[0]},
		{Profile: owa, Status: 200, Wait: Bounds[0] + 1},
		{Profile: owa, Status: 401, Wait: Bounds[len(Bounds)-1]},
		{Profile: owa, Status: 503, Wait: time.Hour},
		{Profile: owa, Status: 200, Wait: -time.Second}, // a clock that was set back
		{Profile: owa, End: EndClient, Wait: -1},
		{Profile: owa, Status: 999},
		{Status: 404, In: 1, Out: 2},
		{Profile: new(Profile), Status: 404, In: 10, Out: 20},
	} {
		v.Count(f)
	}
	all := c.Figures()
	if len(all) != 2 || all[0].Profile != "" || all[1].Profile != "owa" {
		t.Fatalf("figures of %d: %+v; want of none and of owa", len(all), all)
	}
	if got, want := all[1].Status, [Classes]uint64{0: 2, 2: 3, 4: 1, 5: 1}; got != want || all[1].Requests() != 7 {
		t.Errorf("status %v, %d requests; want %v, 7", got, all[1].Requests(), want)
	}
	last := len(Bounds)
	if got, want := all[1].Waits, [len(Bounds) + 1]uint64{0: 2, 1: 1, len(Bounds) - 1: 1, len(Bounds): 1}; got != want {
		t.Errorf("waits %v; want %v", got, want)
	}
	if want := time.Hour + 2*Bounds[0] + 1 + Bounds[last-1]; all[1].Waited != want {
		t.Errorf("waited %v; want %v", all[1].Waited, want)
	}
	if all[0].Status[4] != 2 || c.In.Load() != 11 || c.Out.Load() != 22 || c.Ends[EndClient].Load() != 1 {
		t.Errorf("without a profile: %v; %d in, %d out", all[0].Status, c.In.Load(), c.Out.Load())
	}
	if again := c.Traffic("owa", "cas"); again != owa.Traffic {
		t.Error("a profile has two figures")
	}
	if other := c.Traffic("owa", "app"); other == owa.Traffic || other.Figures().Pool != "app" {
		t.Error("two pools share figures")
	}
}

func TestCountDoesNotAllocate(t *testing.T) {
	c := new(Counters)
	v, p := &VIP{Counters: c}, &Profile{Traffic: c.Traffic("owa", "cas")}
	if n := testing.AllocsPerRun(100, func() { v.Count(Finished{Profile: p, Status: 200, Wait: time.Millisecond}) }); n != 0 {
		t.Errorf("%v allocations; want none", n)
	}
}

// Every client that gets another server is counted once, by what became of the
// one that it had.
func TestRebindsAreCounted(t *testing.T) {
	s := newSite(t, "round_robin", 3, nil)
	s.profile.Traffic = new(Traffic)
	r := request(t, "192.0.2.1", "", "")
	bound := func() int {
		d := s.decide(r)
		return d.chosen
	}
	first := bound()
	bound() // stays
	s.set(first, balance.Down)
	bound()
	bound() // stays there
	f := s.profile.Traffic.Figures()
	if f.Rebinds["down"] != 1 || f.Rebinds["left"]+f.Rebinds["drain"]+f.Rebinds["maintenance"]+f.Rebinds["unreached"] != 0 || len(f.Rebinds) != 5 {
		t.Errorf("rebinds %v; want one, down", f.Rebinds)
	}
}

// So is a channel of RPC over HTTP, which is bound before it begins.
func TestRebindOfAChannelIsCountedOnce(t *testing.T) {
	s := newSite(t, "round_robin", 3, func(cfg *persistence.Config) {
		cfg.Steps = []persistence.Step{{By: persistence.RPCConnection}, {By: persistence.SourceIP}}
	})
	s.profile.Traffic = new(Traffic)
	channel := func(virtual byte) Decision {
		var d Decision
		r := request(t, "192.0.2.1", "", "")
		r.Virtual = [16]byte{virtual}
		s.profile.DecideChannel(s.now, r, &d)
		s.carryOut(&d)
		return d
	}
	first := channel(1)
	s.set(first.chosen, balance.Down)
	if d := channel(2); d.Why() != "rebound_down" || d.chosen == first.chosen {
		t.Fatalf("to %s (%s); want another server, rebound_down", d.Server(), d.Why())
	}
	if f := s.profile.Traffic.Figures(); f.Rebinds["down"] != 1 {
		t.Errorf("rebinds %v; want one, down", f.Rebinds)
	}
}
