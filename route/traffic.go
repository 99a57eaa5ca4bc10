package route

import (
	"sync"
	"sync/atomic"
	"time"
)

// Classes is how many classes of status there are: the hundreds, and 0, no
// response.
const Classes = 6

// Bounds are the upper bounds of the buckets of Traffic; what took longer is in
// one more.
var Bounds = [...]time.Duration{
	500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second,
}

// Traffic are the figures of one profile of a VIP on one pool: a VIP that leads
// names to several has some for each. One add counts a request by
// its status and by its time both: the totals are sums, which whoever asks makes.
type Traffic struct {
	Name, Pool string // of the profile; empty: requests that have none

	answered [Classes][len(Bounds) + 1]atomic.Uint64 // by hundreds of the status, and by the time to the first response octet
	waited   atomic.Uint64                           // nanoseconds, of all that have a response
	rebinds  [losses]atomic.Uint64
}

// Figures are what a Traffic has counted.
type Figures struct {
	Profile string
	Pool    string
	Status  [Classes]uint64         // requests by hundreds of the status; 0: no response
	Waits   [len(Bounds) + 1]uint64 // those with a response, by the time to its first octet: as Bounds, and longer
	Waited  time.Duration           // the sum of these times
	Rebinds map[string]uint64       // by Loss
}

// Requests returns how many requests have ended.
func (f *Figures) Requests() uint64 {
	n := uint64(0)
	for _, of := range f.Status {
		n += of
	}
	return n
}

// count adds a request that has ended.
func (t *Traffic) count(status int, wait time.Duration) {
	class := status / 100
	if class < 0 || class >= Classes {
		class = 0
	}
	t.answered[class][bucket(wait)].Add(1)
	if class != 0 {
		t.waited.Add(uint64(max(wait, 0)))
	}
}

// bucket returns the place of d among Bounds. Most answers are early in it.
func bucket(d time.Duration) int {
	for i := range Bounds {
		if d <= Bounds[i] {
			return i
		}
	}
	return len(Bounds)
}

// Figures returns what was counted until now.
func (t *Traffic) Figures() Figures {
	f := Figures{Profile: t.Name, Pool: t.Pool, Waited: time.Duration(t.waited.Load()), Rebinds: make(map[string]uint64)}
	for class := range t.answered {
		for i := range t.answered[class] {
			n := t.answered[class][i].Load()
			f.Status[class] += n
			if class != 0 {
				f.Waits[i] += n
			}
		}
	}
	for l := NoLoss + 1; l < losses; l++ {
		f.Rebinds[l.String()] = t.rebinds[l].Load()
	}
	return f
}

// traffics are those of one VIP. They are made while a snapshot is built and
// outlive it; a request finds its own by its profile.
type traffics struct {
	none Traffic    // of requests without a profile
	mu   sync.Mutex // guards the field below; no request takes it
	list []*Traffic
}

// Traffic returns the figures of the profile of that name on the VIP and that pool,
// the same for ever.
func (c *Counters) Traffic(profile, pool string) *Traffic {
	ts := &c.traffics
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.list {
		if t.Name == profile && t.Pool == pool {
			return t
		}
	}
	t := &Traffic{Name: profile, Pool: pool}
	ts.list = append(ts.list, t)
	return t
}

// Figures returns what was counted of each profile that the VIP has or had, and
// first of the requests that had none.
func (c *Counters) Figures() []Figures {
	ts := &c.traffics
	ts.mu.Lock()
	defer ts.mu.Unlock()
	out := []Figures{ts.none.Figures()}
	for _, t := range ts.list {
		out = append(out, t.Figures())
	}
	return out
}
