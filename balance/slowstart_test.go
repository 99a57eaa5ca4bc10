package balance

import (
	"testing"
	"testing/synctest"
	"time"
)

// comesBack takes a service down and up again now.
func comesBack(s *Service) {
	s.SetState(time.Now(), Down)
	s.SetState(time.Now(), Up)
}

func TestWeightRamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := pool(50)
		cs[0].SlowStart = time.Minute
		comesBack(cs[0].Service)
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
// under every algorithm, and all of it when slow start is over. A drain that has
// lost the load ends like an outage; one that has not leaves the shares alone.
func TestSlowStartShares(t *testing.T) {
	returns := []struct {
		name string
		away func(s *Service)
		want []int
	}{
		{"down", comesBack, []int{10, 1}},
		{"maintenance", ordered(OrderMaintenance, 0), []int{10, 1}},
		{"drain", ordered(OrderDrain, time.Minute), []int{10, 1}},
		{"firm-drain", ordered(OrderFirm, 0), []int{10, 1}},
		{"withdrawn-drain", ordered(OrderDrain, 0), []int{1, 1}},
	}
	for _, name := range Algorithms() {
		for _, back := range returns {
			t.Run(name+"/"+back.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, err := New(name)
					if err != nil {
						t.Fatal(err)
					}
					cs := pool(100, 100)
					for i := range cs {
						cs[i].SlowStart = time.Minute
					}
					back.away(cs[1].Service)
					wantShares(t, fill(a, cs, 4400), back.want, 0.12)

					time.Sleep(time.Minute)
					for i := range cs {
						cs[i].Service.Active.Store(0)
					}
					wantShares(t, fill(a, cs, 4400), []int{1, 1}, 0.06)
				})
			})
		}
	}
}

// ordered returns what has an operator order something for that time, and then
// nothing any more.
func ordered(kind OrderKind, lasts time.Duration) func(*Service) {
	return func(s *Service) {
		s.SetOrder(time.Now(), Order{Kind: kind})
		time.Sleep(lasts)
		s.SetOrder(time.Now(), Order{})
	}
}

func TestSlowStartOnlyOnReturn(t *testing.T) {
	const slow = time.Hour
	step := func(after time.Duration, st State, order OrderKind) func(*Service, *time.Time) {
		return func(s *Service, now *time.Time) {
			*now = now.Add(after)
			s.SetHealth(*now, st)
			s.SetOrder(*now, Order{Kind: order})
		}
	}
	type steps []func(*Service, *time.Time)
	tests := []struct {
		name  string
		steps steps
		want  int64
	}{
		{"at-start", steps{step(0, Up, NoOrder)}, 1000},
		{"after-down", steps{step(0, Up, NoOrder), step(0, Down, NoOrder), step(0, Up, NoOrder)}, 100},
		{"down-at-start", steps{step(0, Down, NoOrder), step(0, Up, NoOrder)}, 100},
		{"after-maintenance", steps{step(0, Up, NoOrder), step(0, Up, OrderMaintenance), step(0, Up, NoOrder)}, 100},
		{"after-a-moment-of-drain", steps{step(0, Up, NoOrder), step(0, Up, OrderDrain), step(0, Up, NoOrder)}, 1000},
		{"after-half-a-drain", steps{step(0, Up, NoOrder), step(0, Up, OrderDrain), step(slow/2, Up, NoOrder)}, 550},
		{"after-a-drain", steps{step(0, Up, NoOrder), step(0, Up, OrderDrain), step(slow, Up, NoOrder)}, 100},
		{"after-a-long-drain", steps{step(0, Up, NoOrder), step(0, Up, OrderDrain), step(9*slow, Up, NoOrder)}, 100},
		{"after-a-drain-of-its-own", steps{step(0, Up, NoOrder), step(0, Drain, NoOrder), step(slow, Up, NoOrder)}, 100},
		{"after-firm-drain", steps{step(0, Up, NoOrder), step(0, Up, OrderFirm), step(0, Up, NoOrder)}, 100},
		{"firm-then-soft", steps{step(0, Up, NoOrder), step(0, Up, OrderFirm), step(0, Up, OrderDrain), step(0, Up, NoOrder)}, 100},
		{"down-while-drained", steps{step(0, Up, NoOrder), step(0, Down, OrderDrain), step(0, Up, OrderDrain), step(0, Up, NoOrder)}, 100},
		{"drained-in-slow-start", steps{step(0, Down, NoOrder), step(0, Up, NoOrder), step(slow/2, Up, OrderDrain), step(0, Up, NoOrder)}, 100},
		{"drained-from-the-start", steps{step(0, Unknown, OrderDrain), step(0, Up, OrderDrain), step(slow, Up, NoOrder)}, 100},
		{"down-again", steps{step(0, Down, NoOrder), step(0, Up, NoOrder), step(0, Down, NoOrder)}, 1000},
		{"over", steps{step(0, Down, NoOrder), step(0, Up, NoOrder), step(slow, Up, NoOrder)}, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, now := &Service{Server: new(Server)}, time.Unix(1e9, 0)
			for _, do := range tt.steps {
				do(s, &now)
			}
			c := Candidate{Service: s, Weight: 1, SlowStart: slow}
			if got := c.weight(&clock{now.UnixNano()}); got != tt.want {
				t.Errorf("weight = %d; want %d", got, tt.want)
			}
			c.SlowStart = 0
			if got := c.weight(&clock{now.UnixNano()}); got != fullShare {
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
	c.Service.away.Store(lostAll)
	for _, tt := range tests {
		c.Service.ramp.Store(now.Add(tt.ahead).UnixNano())
		if got := c.weight(&clock{now.UnixNano()}); got != tt.want {
			t.Errorf("weight with a return %v ahead = %d; want %d", tt.ahead, got, tt.want)
		}
	}
}
