package balance

import (
	"testing"
	"time"
)

func TestLeastTimePick(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name    string
		weights []int
		latency []time.Duration // 0: not measured
		active  []int64
		want    int
	}{
		{"fastest", []int{1, 1, 1}, []time.Duration{9 * ms, 3 * ms, 5 * ms}, []int64{0, 0, 0}, 1},
		{"fast-but-busy", []int{1, 1, 1}, []time.Duration{9 * ms, 3 * ms, 5 * ms}, []int64{0, 4, 0}, 2},
		{"for-its-weight", []int{1, 1, 4}, []time.Duration{3 * ms, 3 * ms, 9 * ms}, []int64{0, 0, 0}, 2},
		{"unmeasured-first", []int{1, 1, 1}, []time.Duration{9 * ms, 3 * ms, 0}, []int64{0, 0, 0}, 2},
		{"unmeasured-with-a-request-open", []int{1, 1, 1}, []time.Duration{9 * ms, 3 * ms, 0}, []int64{0, 0, 1}, 1},
		{"unmeasured-counts-as-slowest", []int{1, 1, 1}, []time.Duration{9 * ms, 3 * ms, 0}, []int64{1, 5, 1}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p LeastTime
			cs := pool(tt.weights...)
			for i, s := range cs {
				if tt.latency[i] != 0 {
					s.Service.Observe(tt.latency[i])
				}
				s.Service.Active.Store(tt.active[i])
			}
			got := p.Pick(cs, all(cs), 0)
			if tt.want == -1 { // 0 and 2 tie at 18ms, as does 1
				wantShares(t, share(&p, cs, all(cs), 60), []int{1, 1, 1}, 0.05)
			} else if got != tt.want {
				t.Errorf("Pick() = %d; want %d", got, tt.want)
			}
		})
	}
}

// TestLeastTimeServerThatNeverAnswers: what was never measured comes first, but
// a service that swallows its first request does not draw all the others.
func TestLeastTimeServerThatNeverAnswers(t *testing.T) {
	var p LeastTime
	cs := pool(1, 1)
	for range 100 {
		i := p.Pick(cs, all(cs), 0)
		cs[i].Service.Begin()
		if i == 0 {
			cs[i].Service.Observe(time.Millisecond)
			cs[i].Service.Finish()
		}
	}
	if n := cs[1].Service.Active.Load(); n > 3 {
		t.Errorf("the service that never answers holds %d of 100 requests; want 3 at most", n)
	}
}

// TestLeastTimeForgives: a service that was slow is tried again, and once it
// proves the faster it gets the clients.
func TestLeastTimeForgives(t *testing.T) {
	var p LeastTime
	cs := pool(1, 1)
	cs[1].Service.Observe(time.Second)
	now := []time.Duration{10 * time.Millisecond, time.Millisecond}
	for range 100 * remeasure {
		i := p.Pick(cs, all(cs), 0)
		cs[i].Service.Observe(now[i])
	}
	if got := share(&p, cs, all(cs), 2*remeasure); got[1] < 2*remeasure-2 {
		t.Errorf("shares = %v; want all but the turns of the other for the one that was slow", got)
	}
}
