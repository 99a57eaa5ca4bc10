package balance

import (
	"sync"
	"testing"
	"time"
)

func TestNewRefusesUnknownName(t *testing.T) {
	_, err := New("fastest")
	const want = `algorithm: want one of least_conn, round_robin, source_hash, least_time, random_two, got "fastest"`
	if err == nil || err.Error() != want {
		t.Errorf("New(fastest) = %v; want %s", err, want)
	}
}

func TestPickOfNoneIsNone(t *testing.T) {
	each(t, func(t *testing.T, a Algorithm) {
		t.Helper()
		if got := a.Pick(pool(1, 1), 0, 7); got != -1 {
			t.Errorf("Pick(none) = %d; want -1", got)
		}
		if got := a.Pick(nil, 0, 7); got != -1 {
			t.Errorf("Pick(empty pool) = %d; want -1", got)
		}
	})
}

// TestPickKeepsToEligible: a service that is down, drained or in maintenance is
// not in the set, and gets nobody.
func TestPickKeepsToEligible(t *testing.T) {
	each(t, func(t *testing.T, a Algorithm) {
		t.Helper()
		cs := pool(1, 200, 1, 1)
		const set = Eligible(0b1101)
		got := share(a, cs, set, 2000)
		if got[1] != 0 {
			t.Errorf("candidate 1 is not eligible and got %d picks", got[1])
		}
		for _, i := range []int{0, 2, 3} {
			if got[i] == 0 {
				t.Errorf("candidate %d is eligible and got no pick", i)
			}
		}
		if got := share(a, cs, 0b0100, 10); got[2] != 10 {
			t.Errorf("the only eligible candidate got %d of 10 picks", got[2])
		}
	})
}

// S109: load is shared by a configured weight per server. Idle services are the
// hard case: there is no load to tell them apart.
func TestWeightsShareIdleServices(t *testing.T) {
	weights := []int{50, 30, 20}
	tolerance := map[string]float64{
		"least_conn": 0.001, "round_robin": 0, "source_hash": 0.05, "least_time": 0.02, "random_two": 0.05,
	}
	for _, name := range Algorithms() {
		t.Run(name, func(t *testing.T) {
			a, err := New(name)
			if err != nil {
				t.Fatal(err)
			}
			cs := pool(weights...)
			for i := range cs {
				cs[i].Service.Observe(5 * time.Millisecond)
			}
			if name == "least_time" {
				// Least time sends an idle client to the one server that promises
				// most, so weights are seen under load only.
				wantShares(t, fill(a, cs, 3000), weights, tolerance[name])
				return
			}
			wantShares(t, share(a, cs, all(cs), 20000), weights, tolerance[name])
		})
	}
}

// S109: the same under load, where no request ends.
func TestWeightsShareLoad(t *testing.T) {
	weights := []int{100, 50, 10}
	tolerance := map[string]float64{
		"least_conn": 0.02, "round_robin": 0.02, "source_hash": 0.12, "least_time": 0.03, "random_two": 0.12,
	}
	for _, name := range Algorithms() {
		t.Run(name, func(t *testing.T) {
			a, err := New(name)
			if err != nil {
				t.Fatal(err)
			}
			wantShares(t, fill(a, pool(weights...), 8000), weights, tolerance[name])
		})
	}
}

// fill picks with every request staying open, and returns what is open.
func fill(a Algorithm, cs []Candidate, picks int) []int {
	for n := range picks {
		s := cs[a.Pick(cs, all(cs), mix(uint64(n)))].Service
		s.Begin()
		s.Observe(5 * time.Millisecond)
	}
	got := make([]int, len(cs))
	for i := range cs {
		got[i] = int(cs[i].Service.Active.Load())
	}
	return got
}

func TestPickDoesNotAllocate(t *testing.T) {
	each(t, func(t *testing.T, a Algorithm) {
		t.Helper()
		cs := pool(100, 100, 50)
		cs[1].SlowStart = time.Hour
		cs[1].Service.SetState(time.Now(), Down)
		cs[1].Service.SetState(time.Now(), Up)
		if n := testing.AllocsPerRun(1000, func() { a.Pick(cs, all(cs), 42) }); n != 0 {
			t.Errorf("Pick allocates %v times per call; want 0", n)
		}
	})
}

// TestPickIsSafeForConcurrentUse is for the race detector; the counts show that
// every goroutine got its answers.
func TestPickIsSafeForConcurrentUse(t *testing.T) {
	each(t, func(t *testing.T, a Algorithm) {
		t.Helper()
		cs := pool(3, 2, 1)
		for i := range cs {
			cs[i].SlowStart = time.Millisecond
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for n := range 500 {
					s := cs[a.Pick(cs, all(cs), mix(uint64(n)))].Service
					s.Begin()
					s.Observe(time.Millisecond)
					if n%50 == g {
						s.SetHealth(time.Now(), Down)
						s.SetHealth(time.Now(), Up)
					}
					s.Finish()
				}
			})
		}
		wg.Wait()
		var active int64
		var requests uint64
		for i := range cs {
			active += cs[i].Service.Active.Load()
			requests += cs[i].Service.Requests.Load()
		}
		if active != 0 || requests != 2000 {
			t.Errorf("open %d, begun %d; want 0 and 2000", active, requests)
		}
	})
}
