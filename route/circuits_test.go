package route

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func TestCircuitLivesWithItsChannels(t *testing.T) {
	var cs Circuits
	virtual := [16]byte{1}
	first := Channel{Server: 1, Name: "cas1", Out: true}
	a, fresh, split := cs.Join(virtual, &first)
	if !fresh || split {
		t.Fatalf("the first channel: fresh %v, split %v", fresh, split)
	}
	b, fresh, split := cs.Join(virtual, &Channel{Server: 2})
	if fresh || !split || b.lead != first || a != b {
		t.Fatalf("on another server: fresh %v, split %v, first %+v", fresh, split, b.lead)
	}
	if _, _, split := cs.Join(virtual, &Channel{Server: 3}); split {
		t.Error("a connection is split twice")
	}
	other, fresh, split := cs.Join([16]byte{2}, &Channel{Server: 2})
	if !fresh || split {
		t.Errorf("another connection: fresh %v, split %v", fresh, split)
	}
	for _, out := range []bool{true, false, false} {
		cs.Leave(a, out)
	}
	if _, fresh, split := cs.Join(virtual, &Channel{Server: 2}); !fresh || split {
		t.Errorf("after its end: fresh %v, split %v; want a new one", fresh, split)
	}
	cs.Leave(other, false)
}

// What led a connection that was moved is what the next channel is compared with.
func TestMovedCircuit(t *testing.T) {
	var cs Circuits
	virtual := [16]byte{1}
	c, _, _ := cs.Join(virtual, &Channel{Server: 1, Out: true})
	next := Channel{Server: 2, Out: true}
	if _, _, split := cs.Join(virtual, &next); !split {
		t.Fatal("on another server: no split")
	}
	c.Move(&next)
	if _, _, split := cs.Join(virtual, &Channel{Server: 2}); split {
		t.Error("on the server that it was moved to: split")
	}
	if _, _, split := cs.Join(virtual, &Channel{Server: 1}); !split {
		t.Error("on the server before: no split")
	}
}

// A connection is half open once it has had both channels and lost all of one
// direction; never while one is replaced, nor before both have come.
func TestHalfOpenCircuit(t *testing.T) {
	const in, out = false, true
	var cs Circuits
	join := func(direction bool) *Circuit {
		c, _, _ := cs.Join([16]byte{1}, &Channel{Server: 1, Out: direction})
		return c
	}
	c := join(out)
	for i, step := range []struct {
		joins, out, half bool
	}{
		{true, out, false},  // two of one direction
		{false, out, false}, // and one again: the other has not come yet
		{true, in, false},
		{true, out, false}, // OUT is replaced
		{false, out, false},
		{true, in, false}, // IN is replaced
		{false, in, false},
		{false, in, true}, // IN is gone
		{true, in, false}, // it comes back: by whatever name, there are both
		{false, out, true},
	} {
		if step.joins {
			join(step.out)
		} else {
			cs.Leave(c, step.out)
		}
		if got := c.HalfOpen(); got != step.half {
			t.Errorf("step %d, %+v: half open %v", i, step, got)
		}
	}
	cs.Leave(c, in)
	if c = join(in); c.HalfOpen() {
		t.Error("a new connection of the same cookie is half open from the start")
	}
}

// Connections come and go on all loops at once; none is left behind.
func TestCircuitsAreForgotten(t *testing.T) {
	var cs Circuits
	var group sync.WaitGroup
	for seed := range uint64(8) {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 0))
			type joined struct {
				*Circuit
				out bool
			}
			open := make([]joined, 0, 64)
			for range 5000 {
				if len(open) == cap(open) || len(open) > 0 && rng.IntN(2) == 0 {
					i := rng.IntN(len(open))
					cs.Leave(open[i].Circuit, open[i].out)
					open[i] = open[len(open)-1]
					open = open[:len(open)-1]
					continue
				}
				out := rng.IntN(2) == 0
				c, _, _ := cs.Join([16]byte{byte(rng.IntN(100))}, &Channel{Server: 1, Out: out})
				_ = c.HalfOpen()
				open = append(open, joined{c, out})
			}
			for _, c := range open {
				cs.Leave(c.Circuit, c.out)
			}
		})
	}
	group.Wait()
	for i := range cs.buckets {
		if cs.buckets[i].first != nil {
			t.Fatalf("bucket %d still holds %+v", i, cs.buckets[i].first)
		}
	}
}

func TestSplitIsDueOnceAnHour(t *testing.T) {
	var r RPC
	s := Split{Cause: SplitAddress, At: 1e9}
	if !r.SplitDue(&s) || r.SplitDue(&s) {
		t.Error("the first split is told once")
	}
	if other := (Split{Cause: SplitPinned, At: 1e9}); !r.SplitDue(&other) {
		t.Error("another cause is told as well")
	}
	if s.At += splitEvery; !r.SplitDue(&s) {
		t.Error("an hour later it is told again")
	}
}
