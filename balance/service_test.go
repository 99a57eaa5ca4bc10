package balance

import (
	"testing"
	"time"
)

func TestSetHealthKeepsOperatorStates(t *testing.T) {
	tests := []struct {
		name    string
		is, set State
		want    State
		changed bool
	}{
		{"first-up", Unknown, Up, Up, true},
		{"first-down", Unknown, Down, Down, true},
		{"same", Up, Up, Up, false},
		{"down", Up, Down, Down, true},
		{"back", Down, Up, Up, true},
		{"drained", Drain, Down, Drain, false},
		{"in-maintenance", Maintenance, Up, Maintenance, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Service{Server: new(Server)}
			s.SetState(time.Unix(1, 0), tt.is)
			since := s.Since()
			before, changed := s.SetHealth(time.Unix(2, 0), tt.set)
			if before != tt.is || changed != tt.changed || s.State() != tt.want {
				t.Errorf("SetHealth(%v) on %v = %v, %v, then %v; want %v, %v, then %v",
					tt.set, tt.is, before, changed, s.State(), tt.is, tt.changed, tt.want)
			}
			if moved := s.Since() != since; moved != tt.changed {
				t.Errorf("Since moved: %v; want %v", moved, tt.changed)
			}
		})
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
	comeBack(s)
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
