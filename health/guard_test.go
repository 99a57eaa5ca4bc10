package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casbah/balance"
)

var errRefusedHere = fmt.Errorf("%w: 401", ErrRefused)

// site is services of one account under their monitors, in a bubble of synctest.
type site struct {
	guard    Guard
	mu       sync.Mutex
	logins   int          // tried
	flying   int          // at once
	most     int          // of those, while the account was wrong
	refuse   map[int]bool // servers that refuse
	sick     map[int]bool // servers that answer something wrong to who is logged in
	services []*balance.Service
	monitors []*Monitor
	rests    []bool // what was told
}

// newSite returns services that answer, with deep probes each minute that refuse
// the account where refuse says so.
func newSite(n int) *site {
	s := &site{refuse: make(map[int]bool), sick: make(map[int]bool)}
	for i := range n {
		service := &balance.Service{Server: new(balance.Server), Profile: "eas"}
		s.services = append(s.services, service)
		s.monitors = append(s.monitors, NewMonitor(Options{
			Service: service, Guard: &s.guard,
			Asking: Asking{Probe: probeFunc(good), Interval: 5 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3},
			Deep: Asking{
				Probe: probeFunc(func(context.Context) error { return s.login(i) }), Interval: time.Minute, Timeout: 10 * time.Second, Rise: 1, Fall: 2,
			},
			OnRest: func(rests bool, _ error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.rests = append(s.rests, rests)
			},
		}))
	}
	return s
}

func (s *site) login(i int) error {
	s.mu.Lock()
	s.logins++
	s.flying++
	if s.refuse[i] {
		s.most = max(s.most, s.flying)
	}
	s.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying--
	switch {
	case s.refuse[i]:
		return errRefusedHere
	case s.sick[i]:
		return errBad
	default:
		return nil
	}
}

// run runs the monitors for d, and calls what between.
func (s *site) run(t *testing.T, d time.Duration, what func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, m := range s.monitors {
		all.Go(func() { m.Run(ctx) })
	}
	time.Sleep(3 * time.Minute)
	s.mu.Lock()
	what()
	s.logins = 0
	s.mu.Unlock()
	time.Sleep(d)
	s.mu.Lock()
	tried := s.logins
	s.mu.Unlock()
	cancel()
	all.Wait()
	s.logins = tried
}

func (s *site) states() (all []balance.State) {
	for _, service := range s.services {
		all = append(all, service.State())
	}
	return all
}

// An account whose password is no longer right takes no server down, and is tried
// three times and then twice an hour, however many services there are.
func TestAccountThatIsRefusedEverywhere(t *testing.T) {
	for _, n := range []int{1, 3, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(n)
				s.run(t, 4*time.Hour, func() {
					for i := range n {
						s.refuse[i] = true
					}
				})
				for i, st := range s.states() {
					if st != balance.Up {
						t.Errorf("service %d is %v; want up", i, st)
					}
				}
				// While it was right several may have been under way at once.
				if least, most := 3+6, 3+9; s.logins < least || s.logins > most+n {
					t.Errorf("%d logins in 4 hours; want %d to %d", s.logins, least, most)
				}
				if !s.guard.Resting() || len(s.rests) != 1 || !s.rests[0] {
					t.Errorf("the account rests %v, told %v; want it told once", s.guard.Resting(), s.rests)
				}
				r, ok := s.monitors[0].LastDeep()
				if n == 1 && (!ok || !errors.Is(r.Err, ErrRefused) || s.monitors[0].DeepTally().Causes[Refused] == 0) {
					t.Errorf("last deep result %v; want the account refused", r)
				}
			})
		})
	}
}

// At a start with a wrong password, one login is tried at a time.
func TestAccountThatWasNeverRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(50)
		for i := range s.services {
			s.refuse[i] = true
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for _, m := range s.monitors {
			all.Go(func() { m.Run(ctx) })
		}
		all.Wait()
		if s.logins != 3 || s.most != 1 {
			t.Errorf("%d logins, %d at once; want 3, one at a time", s.logins, s.most)
		}
		if s.states()[0] != balance.Up {
			t.Errorf("state %v; want up", s.states()[0])
		}
	})
}

// A server that refuses an account which others let in is itself what is wrong.
func TestServerThatRefusesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(3)
		s.run(t, 10*time.Minute, func() { s.refuse[1] = true })
		if got := s.states(); got[0] != balance.Up || got[1] != balance.Down || got[2] != balance.Up {
			t.Errorf("states %v; want the second down", got)
		}
		if s.guard.Resting() || len(s.rests) != 0 {
			t.Errorf("the account rests, told %v", s.rests)
		}
	})
}

// A deep failure takes a service down after its own fall; one good answer brings
// it back.
func TestDeepProbeTakesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(2)
		var changes []Change
		s.monitors[1].o.OnChange = func(c Change) { changes = append(changes, c) }
		s.run(t, 5*time.Minute, func() { s.sick[1] = true })
		if got := s.states(); got[0] != balance.Up || got[1] != balance.Down || s.monitors[1].Verdict() != balance.Down {
			t.Errorf("states %v; want the second down", got)
		}
		if len(changes) != 2 || !errors.Is(changes[1].Cause, errBad) {
			t.Errorf("changes %v; want up, and down because of the deep probe", changes)
		}
		delete(s.sick, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		s.monitors[1].Run(ctx)
		if got := s.services[1].State(); got != balance.Up {
			t.Errorf("state %v after good answers; want up", got)
		}
	})
}

// A service that does not answer is not asked to let anybody in.
func TestDeepProbeLeavesTheDeadAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(1)
		s.monitors[0].shallow.Probe = probeFunc(func(context.Context) error { return errBad })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		s.monitors[0].Run(ctx)
		if s.logins != 0 {
			t.Errorf("%d logins at a service that is down", s.logins)
		}
	})
}

// A person may have an account tried that rests, once a minute; that it is let in
// ends the rest.
func TestGuardOfAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Guard
		try := func(asked bool, err error) bool {
			done, ok := g.Enter(t.Context(), asked)
			if ok {
				g.Heard(time.Now(), err)
				done()
			}
			return ok
		}
		for range mostRefusals {
			if !try(false, errRefusedHere) {
				t.Fatal("an account rests too soon")
			}
		}
		if try(false, nil) || try(true, nil) {
			t.Error("an account that was refused a moment ago is tried")
		}
		time.Sleep(2 * time.Minute)
		if try(false, nil) || !try(true, nil) || g.Resting() {
			t.Error("after two minutes: want a person to have it tried, and nobody else")
		}
	})
}
