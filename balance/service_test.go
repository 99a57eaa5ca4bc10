package balance

import (
	"fmt"
	"testing"
	"time"
)

// TestStates holds what the probes' word and the operator's come to, in whatever
// order they come.
func TestStates(t *testing.T) {
	tests := []struct {
		health State
		order  OrderKind
		want   State
		keeps  bool
	}{
		{Unknown, NoOrder, Unknown, true},
		{Up, NoOrder, Up, false},
		{Down, NoOrder, Down, false},
		{Drain, NoOrder, Drain, true},
		{Unknown, OrderDrain, Drain, true},
		{Up, OrderDrain, Drain, true},
		{Down, OrderDrain, Down, false}, // bound clients must go elsewhere
		{Drain, OrderDrain, Drain, true},
		{Unknown, OrderFirm, Drain, false},
		{Up, OrderFirm, Drain, false},
		{Down, OrderFirm, Down, false},
		{Drain, OrderFirm, Drain, false},
		{Unknown, OrderMaintenance, Maintenance, false},
		{Up, OrderMaintenance, Maintenance, false},
		{Down, OrderMaintenance, Maintenance, false},
		{Drain, OrderMaintenance, Maintenance, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v-%v", tt.health, tt.order), func(t *testing.T) {
			first, second := &Service{Server: new(Server)}, &Service{Server: new(Server)}
			first.SetHealth(time.Unix(1, 0), tt.health)
			first.SetOrder(time.Unix(2, 0), Order{Kind: tt.order})
			second.SetOrder(time.Unix(1, 0), Order{Kind: tt.order})
			second.SetHealth(time.Unix(2, 0), tt.health)
			for _, s := range []*Service{first, second} {
				if s.State() != tt.want || s.Keeps() != tt.keeps || s.Health() != tt.health || s.Order().Kind != tt.order {
					t.Errorf("State() = %v, Keeps() = %v, Health() = %v, Order() = %v; want %v, %v, %v, %v",
						s.State(), s.Keeps(), s.Health(), s.Order().Kind, tt.want, tt.keeps, tt.health, tt.order)
				}
			}
		})
	}
}

// Changes are told as they are to clients: what the probes say in maintenance
// changes nothing, and holds when it is over.
func TestSetHealthTellsOfChanges(t *testing.T) {
	tests := []struct {
		name       string
		is, health State
		want       State
		changed    bool
	}{
		{"first-up", Unknown, Up, Up, true},
		{"first-down", Unknown, Down, Down, true},
		{"same", Up, Up, Up, false},
		{"down", Up, Down, Down, true},
		{"back", Down, Up, Up, true},
		{"down-while-drained", Drain, Down, Down, true},
		{"in-maintenance", Maintenance, Down, Maintenance, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Service{Server: new(Server)}
			s.SetState(time.Unix(1, 0), tt.is)
			since := s.Since()
			before, changed := s.SetHealth(time.Unix(2, 0), tt.health)
			if before != tt.is || changed != tt.changed || s.State() != tt.want {
				t.Errorf("SetHealth(%v) on %v = %v, %v, then %v; want %v, %v, then %v",
					tt.health, tt.is, before, changed, s.State(), tt.is, tt.changed, tt.want)
			}
			if moved := s.Since() != since; moved != tt.changed {
				t.Errorf("Since moved: %v; want %v", moved, tt.changed)
			}
			if _, after := s.SetOrder(time.Unix(3, 0), Order{}); after != tt.health {
				t.Errorf("without an order the state is %v; want %v", after, tt.health)
			}
		})
	}
}

// What the data path asks costs no memory.
func TestStateDoesNotAllocate(t *testing.T) {
	s := &Service{Server: new(Server)}
	s.SetState(time.Unix(1, 0), Drain)
	var kept, drains int
	got := testing.AllocsPerRun(100, func() {
		if s.State() == Drain && s.Order().Kind == OrderDrain {
			drains++
		}
		if s.Keeps() {
			kept++
		}
	})
	if got != 0 || drains == 0 || kept != drains {
		t.Errorf("%v allocations, %d drained, %d kept", got, drains, kept)
	}
}

func TestLatencyIsAMovingAverage(t *testing.T) {
	s := &Service{Server: new(Server)}
	if got := s.Latency(); got != 0 {
		t.Errorf("Latency() before the first answer = %v; want 0", got)
	}
	s.Observe(80 * time.Millisecond)
	s.Observe(160 * time.Millisecond)
	if got, want := s.Latency(), 90*time.Millisecond; got != want {
		t.Errorf("Latency() = %v; want %v", got, want)
	}
	for range 200 {
		s.Observe(0)
	}
	if got := s.Latency(); got <= 0 || got > 10 {
		t.Errorf("Latency() of instant answers = %v; want a few nanoseconds, not 0, which is unmeasured", got)
	}
}

// A service that comes back is measured anew.
func TestLatencyIsForgottenOnReturn(t *testing.T) {
	s := &Service{Server: new(Server)}
	s.Observe(time.Hour)
	comesBack(s)
	if got := s.Latency(); got != 0 {
		t.Errorf("Latency() = %v; want 0", got)
	}
}

func TestFailedNudges(t *testing.T) {
	s := &Service{Server: new(Server)}
	s.Failed() // nobody listens yet
	calls := 0
	s.OnFailure(func() { calls++ })
	s.Failed()
	if calls != 1 || s.Failures.Load() != 2 || s.State() != Unknown {
		t.Errorf("calls %d, failures %d, state %v; want 1, 2, unknown", calls, s.Failures.Load(), s.State())
	}
}

func TestServersKeepIdentity(t *testing.T) {
	var s Servers
	a, b := s.Get("cas1"), s.Get("cas2")
	if a != s.Get("cas1") || a == b || a.ID == b.ID || a.ID == 0 {
		t.Errorf("Get: cas1 %p %d, cas2 %p %d", a, a.ID, b, b.ID)
	}
	if s.ByID(a.ID) != a || s.ByID(b.ID) != b || s.ByID(0) != nil || s.ByID(3) != nil {
		t.Error("ByID does not give back what Get made")
	}
}
