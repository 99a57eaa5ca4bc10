package health

import (
	"context"
	"sync"
	"time"
)

const (
	// mostRefusals is how often in a row an account may be refused before it
	// rests: Active Directory locks accounts after five or ten wrong passwords
	// where a site says so.
	mostRefusals = 3

	// restTime is how long an account that was refused rests before one probe
	// tries it again, on one server: the time in which Active Directory forgets
	// wrong passwords is half an hour in most sites.
	restTime = 30 * time.Minute

	// askedRest is how long it rests before a person may have it tried.
	askedRest = time.Minute
)

// Guard keeps the probes that log in with one account from locking it, and from
// taking every server for broken when it is the account that is. All monitors
// whose probes use the account share one. A nil Guard guards nothing.
type Guard struct {
	mu       sync.Mutex // guards the fields below
	refusals int        // in a row
	accepted time.Time  // the last login that worked; zero: none yet
	refused  time.Time  // the last one that did not

	once sync.Once
	turn chan struct{} // a place for the one who tries an account that may be wrong
}

// Resting reports whether the account was refused so often that probes leave it
// alone but for one try in a while.
func (g *Guard) Resting() bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusals >= mostRefusals
}

// Enter waits until the account may be tried; false if it must rest, or ctx ends.
// While it is not known to be right, one tries at a time: a hundred probes that
// begin together must not be a hundred wrong passwords. One who is asked for by a
// person may try an account that rests, unless the last try was a moment ago. The
// caller calls Heard, and then done.
func (g *Guard) Enter(ctx context.Context, asked bool) (done func(), ok bool) {
	if g == nil {
		return func() {}, true
	}
	if g.proven() {
		return func() {}, true
	}
	g.once.Do(func() { g.turn = make(chan struct{}, 1) })
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	pause := restTime
	if asked {
		pause = askedRest
	}
	if g.rests(time.Now(), pause) {
		<-g.turn
		return nil, false
	}
	return func() { <-g.turn }, true
}

func (g *Guard) proven() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusals == 0 && !g.accepted.IsZero()
}

func (g *Guard) rests(now time.Time, pause time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusals >= mostRefusals && now.Sub(g.refused) < pause
}

// Heard takes in what came of a probe with the account that a person asked for.
func (g *Guard) Heard(now time.Time, err error) { g.heard(now, time.Time{}, CauseOf(err)) }

// heard takes in what came of a probe with the account. It reports whether that
// says something of the service, and whether the account begins to rest or needs
// to no more. A refusal counts if others were let in with the account since this
// service refused it before: then it is the service that refuses.
func (g *Guard) heard(now, before time.Time, cause Cause) (counts, turned bool) {
	if g == nil {
		return true, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch cause {
	case Right:
		turned = g.refusals >= mostRefusals
		g.refusals, g.accepted = 0, now
		return true, turned
	case Refused:
		g.refusals++
		g.refused = now
		return !before.IsZero() && g.accepted.After(before), g.refusals == mostRefusals
	default: // it says nothing of the account
		return true, false
	}
}
