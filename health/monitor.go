package health

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"casbah/balance"
)

// maxFloor is the longest time that a Nudge waits after the start of the probe
// before it.
const maxFloor = 500 * time.Millisecond

// Change is a change of a service's state that its probes brought about.
type Change struct {
	Service  *balance.Service
	From, To balance.State
	At       time.Time
	Cause    error // the last bad answer; nil when the service comes up
}

// Result is what a probe came to.
type Result struct {
	At   time.Time // when it began
	Took time.Duration
	Err  error // nil: the right answer
}

// Monitor probes one service for ever and keeps its state. Made by NewMonitor.
type Monitor struct {
	o      Options
	streak Streak // used by Run alone
	wake   chan struct{}

	last    atomic.Pointer[Result]
	verdict atomic.Uint32 // balance.State by the probes alone
	tally   tally
}

// Options say what a Monitor probes and how.
type Options struct {
	Service  *balance.Service
	Probe    Probe
	Interval time.Duration // from the start of one probe to the next, more or less a tenth; 0: 5s
	Timeout  time.Duration // of one probe; 0: the interval
	Rise     int           // good answers in a row that bring the service up
	Fall     int           // bad answers in a row that take it down
	OnChange func(Change)  // told of each change, by Run, which waits for it; nil: nobody
}

// NewMonitor returns a monitor that Run sets to work.
func NewMonitor(o Options) *Monitor {
	o.Interval = cmp.Or(o.Interval, 5*time.Second)
	o.Timeout = cmp.Or(o.Timeout, o.Interval)
	return &Monitor{
		o:      o,
		streak: Streak{Rise: o.Rise, Fall: o.Fall},
		wake:   make(chan struct{}, 1),
	}
}

// Run probes until ctx ends. One probe is in flight at most, and none is when
// Run returns. It takes over the failures that the service sees in traffic.
func (m *Monitor) Run(ctx context.Context) {
	m.o.Service.OnFailure(m.Nudge)
	begun := time.Now()
	for due := begun.Add(m.resume()); m.wait(ctx, begun, due); due = begun.Add(m.interval()) {
		begun = time.Now()
		m.probe(ctx, begun)
	}
}

// Nudge brings the next probe forward, because traffic met a failure. It does
// not block and may be called at any rate: probes keep their distance.
func (m *Monitor) Nudge() {
	select {
	case m.wake <- struct{}{}:
	default: // brought forward already
	}
}

// LastResult returns what the last probe came to; false before the first.
func (m *Monitor) LastResult() (Result, bool) {
	if r := m.last.Load(); r != nil {
		return *r, true
	}
	return Result{}, false
}

// Verdict returns Up or Down by the probes alone, whatever an operator set;
// Unknown before the first answer.
func (m *Monitor) Verdict() balance.State { return balance.State(m.verdict.Load()) }

// resume takes up the state that the service has from before a reload, and
// returns when the first probe is due. Starts are spread, so that a hundred
// monitors do not probe at once: over a whole interval where the state is known,
// over a tenth where traffic waits for it.
func (m *Monitor) resume() time.Duration {
	switch st := m.o.Service.Health(); st {
	case balance.Up, balance.Down:
		m.streak.Resume(st == balance.Up)
		m.verdict.Store(uint32(st))
		return spread(m.o.Interval)
	default:
		return spread(m.o.Interval / 10)
	}
}

// interval returns the time to the next probe: monitors that started together
// drift apart.
func (m *Monitor) interval() time.Duration {
	tenth := m.o.Interval / 10
	return m.o.Interval - tenth + spread(2*tenth)
}

// spread returns a random time up to d.
func spread(d time.Duration) time.Duration {
	return rand.N(d + 1) //nolint:gosec // G404: it spreads load and guards nothing
}

// wait returns true when a probe is due, and false when ctx ends. A nudge makes
// it due earlier, but not before the floor after the start of the last one: a
// storm of failures is no storm of probes.
func (m *Monitor) wait(ctx context.Context, begun, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return ctx.Err() == nil
		case <-m.wake:
			if soon := begun.Add(min(m.o.Interval/4, maxFloor)); soon.Before(due) {
				due = soon
				timer.Reset(time.Until(due))
			}
		}
	}
}

// probe asks once and takes the answer in.
func (m *Monitor) probe(ctx context.Context, begun time.Time) {
	probing, cancel := context.WithTimeout(ctx, m.o.Timeout)
	err := m.o.Probe.Check(probing)
	cancel()
	if ctx.Err() != nil {
		return // the probe was cut off and says nothing of the service
	}
	now := time.Now()
	m.last.Store(&Result{At: begun, Took: now.Sub(begun), Err: err})
	m.tally.add(now.Sub(begun), err)
	up, _ := m.streak.Observe(err)
	verdict := balance.Down
	if up {
		verdict = balance.Up
	}
	m.verdict.Store(uint32(verdict))
	// Every answer is published, not only a change of verdict: an operator may
	// have had the state in between.
	from, changed := m.o.Service.SetHealth(now, verdict)
	if changed && m.o.OnChange != nil {
		m.o.OnChange(Change{Service: m.o.Service, From: from, To: m.o.Service.State(), At: now, Cause: err})
	}
}
