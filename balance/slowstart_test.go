package balance

import (
	"testing"
	"testing/synctest"
	"time"
)

// comeBack takes a service down and up again now.
func comeBack(s *Service) {
	s.SetState(time.Now(), Down)
	s.SetState(time.Now(), Up)
}

func TestWeightRamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := pool(50)
		cs[0].SlowStart = time.Minute
		comeBack(cs[0].Service)
		var got []int64
		for range 7 {
			var k clock
			got = append(got, cs[0].weight(&k))
			time.Sleep(10 * time.Second)
		}
		want := []int64{50 * 100, 50 * 250, 50 * 400, 50 * 550, 50 * 700, 50 * 850, 50 * 1000}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("weight after %d0s = %d; want %d", i, got[i], want[i])
			}
		}
		if cs[0].Service.ramp.Load() != 0 {
			t.Error("the ramp is over, but later picks still read the clock")
		}
	})
}

// TestSlowStartShares: just after its return a service gets a tenth of its share
// under every algorithm, and all of it when slow start is over.
func TestSlowStartShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, name := range Algorithms() {
			a, err := New(name)
			if err != nil {
				t.Fatal(err)
			}
			cs := pool(100, 100)
			for i := range cs {
				cs[i].SlowStart = time.Minute
			}
			comeBack(cs[1].Service)
			wantShares(t, fill(a, cs, 4400), []int{10, 1}, 0.12)

			time.Sleep(time.Minute)
			for i := range cs {
				cs[i].Service.Active.Store(0)
			}
			wantShares(t, fill(a, cs, 4400), []int{1, 1}, 0.06)
		}
	})
}

func TestSlowStartOnlyOnReturn(t *testing.T) {
	tests := []struct {
		name   string
		states []State
		want   int64
	}{
		{"at-start", []State{Up}, 1000},
		{"after-down", []State{Up, Down, Up}, 100},
		{"down-at-start", []State{Down, Up}, 100},
		{"after-maintenance", []State{Up, Maintenance, Up}, 100},
		{"after-drain", []State{Up, Drain, Up}, 1000},
		{"down-again", []State{Down, Up, Down}, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Service{Server: new(Server)}
			for _, st := range tt.states {
				s.SetState(time.Now(), st)
			}
			c := Candidate{Service: s, Weight: 1, SlowStart: time.Hour}
			var k clock
			if got := c.weight(&k); got != tt.want {
				t.Errorf("weight = %d; want %d", got, tt.want)
			}
			c.SlowStart = 0
			if got := c.weight(&k); got != fullShare {
				t.Errorf("weight without slow start = %d; want %d", got, fullShare)
			}
		})
	}
}

// A clock that is set back by a little keeps the first share; by more than the
// ramp is long, it ends the ramp instead of holding the service down for as long.
func TestSlowStartWhenTheClockIsSetBack(t *testing.T) {
	c := Candidate{Service: &Service{Server: new(Server)}, Weight: 1, SlowStart: time.Minute}
	now := time.Now()
	tests := []struct {
		ahead time.Duration
		want  int64
	}{
		{59 * time.Second, firstShare},
		{time.Minute, fullShare},
		{time.Hour, fullShare},
	}
	for _, tt := range tests {
		c.Service.ramp.Store(now.Add(tt.ahead).UnixNano())
		if got := c.weight(&clock{now.UnixNano()}); got != tt.want {
			t.Errorf("weight with a return %v ahead = %d; want %d", tt.ahead, got, tt.want)
		}
	}
}
