package health

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// maxFloor is the longest time that a nudge waits after the start of the probe
// before it.
const maxFloor = 500 * time.Millisecond

// Asking is a question to a service, and how often it is asked.
type Asking struct {
	Probe    Probe
	Interval time.Duration // from the start of one probe to the next, more or less a tenth; 0: 5s
	Timeout  time.Duration // of one probe; 0: the interval
	Rise     int           // good answers in a row that bring the service up
	Fall     int           // bad answers in a row that take it down
}

// Result is what a probe came to.
type Result struct {
	At   time.Time // when it began
	Took time.Duration
	Err  error // nil: the right answer
}

// course is an Asking at work.
type course struct {
	Asking

	streak Streak // guarded by the monitor's lock
	wake   chan struct{}
	last   atomic.Pointer[Result]
	tally  tally
}

func newCourse(a Asking) *course {
	a.Interval = cmp.Or(a.Interval, 5*time.Second)
	a.Timeout = cmp.Or(a.Timeout, a.Interval)
	return &course{Asking: a, streak: Streak{Rise: a.Rise, Fall: a.Fall}, wake: make(chan struct{}, 1)}
}

// run calls ask when a probe is due, at first after that time, until ctx ends.
func (c *course) run(ctx context.Context, first time.Duration, ask func(ctx context.Context, begun time.Time)) {
	begun := time.Now()
	for due := begun.Add(first); c.wait(ctx, begun, due); due = begun.Add(c.pace()) {
		begun = time.Now()
		ask(ctx, begun)
	}
}

// check asks once, and returns what came of it; false if ctx has cut it off, so
// that it says nothing of the service.
func (c *course) check(ctx context.Context, begun time.Time) (Result, bool) {
	probing, cancel := context.WithTimeout(ctx, c.Timeout)
	err := c.Probe.Check(probing)
	cancel()
	return Result{At: begun, Took: time.Since(begun), Err: err}, ctx.Err() == nil
}

// note keeps a result for who asks.
func (c *course) note(r Result) {
	c.last.Store(&r)
	c.tally.add(r.Took, r.Err)
}

// nudge brings the next probe forward. It does not block.
func (c *course) nudge() {
	select {
	case c.wake <- struct{}{}:
	default: // brought forward already
	}
}

func (c *course) result() (Result, bool) {
	if r := c.last.Load(); r != nil {
		return *r, true
	}
	return Result{}, false
}

// pace returns the time to the next probe: courses that started together drift
// apart.
func (c *course) pace() time.Duration {
	tenth := c.Interval / 10
	return c.Interval - tenth + spread(2*tenth)
}

// spread returns a random time up to d.
func spread(d time.Duration) time.Duration {
	return rand.N(d + 1) //nolint:gosec // G404: it spreads load and guards nothing
}

// wait returns true when a probe is due, and false when ctx ends. A nudge makes
// it due earlier, but not before the floor after the start of the last one: a
// storm of failures is no storm of probes.
func (c *course) wait(ctx context.Context, begun, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return ctx.Err() == nil
		case <-c.wake:
			if soon := begun.Add(min(c.Interval/4, maxFloor)); soon.Before(due) {
				due = soon
				timer.Reset(time.Until(due))
			}
		}
	}
}
