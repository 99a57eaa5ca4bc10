package route

import (
	"testing"
	"time"

	"casbah/balance"
)

// Panic is in effect below the limit, and not at it, nor while nothing is known.
func TestPanics(t *testing.T) {
	const up, down, unknown, drain, maintenance = balance.Up, balance.Down, balance.Unknown, balance.Drain, balance.Maintenance
	tests := []struct {
		name     string
		below    int // percent
		states   []balance.State
		panics   bool
		eligible int // candidates that a client may be given
	}{
		{"off", 0, []balance.State{down, down}, false, 0},
		{"all-up", 50, []balance.State{up, up}, false, 2},
		{"at-the-limit", 50, []balance.State{up, down}, false, 1},
		{"below-the-limit", 51, []balance.State{up, down}, true, 2},
		{"all-down", 1, []balance.State{down, down, down}, true, 3},
		{"not-in-maintenance", 50, []balance.State{up, down, maintenance}, true, 2},
		{"also-where-draining", 50, []balance.State{down, drain}, true, 2},
		{"draining-without-panic", 50, []balance.State{up, drain}, false, 1},
		{"nothing-known", 50, []balance.State{unknown, unknown}, false, 2},
		{"one-known", 50, []balance.State{down, unknown}, true, 2},
		{"a-hundred", 100, []balance.State{up, up, unknown}, true, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &Profile{PanicBelow: tt.below}
			for _, st := range tt.states {
				s := &balance.Service{}
				s.SetState(time.Unix(1, 0), st)
				p.Candidates = append(p.Candidates, balance.Candidate{Service: s})
			}
			if got := p.Panics(); got != tt.panics {
				t.Errorf("Panics() = %v; want %v", got, tt.panics)
			}
			if got := popcount(p.eligible()); got != tt.eligible {
				t.Errorf("%d candidates are eligible; want %d", got, tt.eligible)
			}
		})
	}
}
