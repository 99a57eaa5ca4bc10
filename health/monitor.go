package health

import (
	"context"
	"fmt"
	"sync"
	"time"

	"casbah/balance"
)

// maxFirst is the longest that a service of which nothing is known waits for its
// first probe.
const maxFirst = time.Second

// Change is a change of a service's state that its probes brought about.
type Change struct {
	Service  *balance.Service
	From, To balance.State
	At       time.Time
	Cause    error // the last bad answer; nil when the service comes up
}

// Monitor probes one service for ever and keeps its state. Made by NewMonitor.
type Monitor struct {
	o       Options
	shallow *course
	deep    *course // nil: none

	mu      sync.Mutex // guards the fields below, and the streaks of both
	off     time.Time  // since when the answers say that the service is off; zero: they do not
	refused time.Time  // when the account of the deep probe was refused here last
}

// Options say what a Monitor probes and how.
type Options struct {
	Service *balance.Service
	Asking
	// Deep is the question of who logs in, which a service has to answer as well
	// to be up; without a Probe none is asked. It is asked of a service alone that
	// answers the other one.
	Deep Asking
	// Guard is of the account that Deep logs in with; nil: it has none.
	Guard *Guard
	// Alone reports whether the service is off alone: another one of the same
	// server has answered well since then. That is a fault of this one, and no
	// orderly end of the server's work. Nil: never.
	Alone func(since time.Time) bool
	// OnRest is told when the account of Guard is left alone, with the last refusal,
	// and when it is let in again; nil: nobody.
	OnRest func(rests bool, refusal error)
	// OnChange is told of each change, by Run, which waits for it; nil: nobody.
	OnChange func(Change)
}

// NewMonitor returns a monitor that Run sets to work.
func NewMonitor(o Options) *Monitor {
	m := &Monitor{o: o, shallow: newCourse(o.Asking)}
	if o.Deep.Probe != nil {
		m.deep = newCourse(o.Deep)
		m.deep.streak.Resume(Good) // until Fall answers say otherwise
	}
	return m
}

// Run probes until ctx ends. One probe of each kind is in flight at most, and
// none is when Run returns. It takes over the failures that the service sees in
// traffic.
func (m *Monitor) Run(ctx context.Context) {
	m.o.Service.OnFailure(m.Nudge)
	var deep sync.WaitGroup
	if m.deep != nil {
		deep.Go(func() { m.deep.run(ctx, spread(m.deep.Interval), m.askDeep) })
	}
	m.shallow.run(ctx, m.resume(), m.ask)
	deep.Wait()
}

// Nudge brings the next probe forward, because traffic met a failure. It does
// not block and may be called at any rate: probes keep their distance.
func (m *Monitor) Nudge() { m.shallow.nudge() }

// LastResult returns what the last probe came to; false before the first.
func (m *Monitor) LastResult() (Result, bool) { return m.shallow.result() }

// LastDeep is LastResult of the deep probe; false where there is none, too.
func (m *Monitor) LastDeep() (Result, bool) {
	if m.deep == nil {
		return Result{}, false
	}
	return m.deep.result()
}

// Tally returns what the probes came to until now.
func (m *Monitor) Tally() Tally { return m.shallow.tally.sum() }

// DeepTally is Tally of the deep probe.
func (m *Monitor) DeepTally() Tally {
	if m.deep == nil {
		return Tally{}
	}
	return m.deep.tally.sum()
}

// Verdict returns Up, Down or Drain by the probes alone, whatever an operator set;
// Unknown before the first answer.
func (m *Monitor) Verdict() balance.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	st, _ := m.verdict()
	return st
}

// resume takes up the state that the service has from before a reload, and
// returns when the first probe is due. Starts are spread, so that a hundred
// monitors do not probe at once: over a whole interval where the state is known,
// over a tenth, and not much, where traffic waits for it.
func (m *Monitor) resume() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := map[balance.State]Answer{balance.Up: Good, balance.Down: Bad, balance.Drain: Orderly}
	if a, ok := known[m.o.Service.Health()]; ok {
		m.shallow.streak.Resume(a)
		return spread(m.shallow.Interval)
	}
	return spread(min(m.shallow.Interval/10, maxFirst))
}

// ask probes once and takes the answer in.
func (m *Monitor) ask(ctx context.Context, begun time.Time) {
	r, ok := m.shallow.check(ctx, begun)
	if !ok {
		return
	}
	m.shallow.note(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	a := answerOf(r.Err)
	switch {
	case a != Orderly:
		m.off = time.Time{}
	case m.off.IsZero():
		m.off = begun
	}
	if now, changed := m.shallow.streak.Observe(a); changed && now == Good && m.deep != nil {
		m.deep.nudge() // it was not asked meanwhile
	}
	m.publish(r.Err)
}

// askDeep asks the deep question once, unless the service is not up to it or the
// account must rest. What an account that is refused everywhere comes to does not
// count: it says nothing of the service.
func (m *Monitor) askDeep(ctx context.Context, begun time.Time) {
	m.mu.Lock()
	well, before := m.shallow.streak.Now() == Good, m.refused
	m.mu.Unlock()
	if !well {
		return
	}
	done, ok := m.o.Guard.Enter(ctx, false)
	if !ok {
		return
	}
	begun = later(begun, time.Now()) // there may have been a wait
	r, ok := m.deep.check(ctx, begun)
	if !ok {
		done()
		return
	}
	now := begun.Add(r.Took)
	counts, turned := m.o.Guard.heard(now, before, CauseOf(r.Err))
	done()
	m.deep.note(r)
	if turned && m.o.OnRest != nil {
		m.o.OnRest(m.o.Guard.Resting(), r.Err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if CauseOf(r.Err) == Refused {
		m.refused = now
	}
	if counts {
		m.deep.streak.Observe(answerOf(r.Err))
		m.publish(r.Err)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// verdict returns what both probes come to, and why that is not Up. The lock is
// held.
func (m *Monitor) verdict() (balance.State, error) {
	switch m.shallow.streak.Now() {
	case Good:
		if m.deep != nil && m.deep.streak.Now() != Good {
			return balance.Down, m.deep.last.Load().Err
		}
		return balance.Up, nil
	case Orderly:
		if m.o.Alone != nil && !m.off.IsZero() && m.o.Alone(m.off) {
			return balance.Down, nil
		}
		return balance.Drain, nil
	case Bad:
		return balance.Down, nil
	default:
		return balance.Unknown, nil
	}
}

// publish puts the verdict into force, and tells of a change. Every answer is
// published, not only a change of verdict: another service of the server may have
// changed what this one's comes to. The lock is held.
func (m *Monitor) publish(err error) {
	now := time.Now()
	verdict, cause := m.verdict()
	if cause == nil && verdict != balance.Up {
		cause = err
	}
	if verdict == balance.Down && answerOf(cause) == Orderly {
		cause = fmt.Errorf("%w, and the server's other services work", cause)
	}
	from, changed := m.o.Service.SetHealth(now, verdict)
	if changed && m.o.OnChange != nil {
		m.o.OnChange(Change{Service: m.o.Service, From: from, To: m.o.Service.State(), At: now, Cause: cause})
	}
}
