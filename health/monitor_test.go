package health

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"casbah/balance"
)

// probeFunc is a Probe made of a function.
type probeFunc func(ctx context.Context) error

func (f probeFunc) Check(ctx context.Context) error { return f(ctx) }

// hang never answers.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ErrTimeout
}

// watch is a service under a monitor, in a bubble of synctest.
type watch struct {
	*Monitor
	service *balance.Service
	begun   []time.Time // of each probe
	changes []Change
}

// newWatch returns a monitor with probes every 5 s that give up after 2 s.
func newWatch(probe probeFunc) *watch {
	w := &watch{service: &balance.Service{Server: new(balance.Server), Profile: "owa"}}
	w.Monitor = NewMonitor(Options{
		Service: w.service,
		Asking: Asking{
			Probe: probeFunc(func(ctx context.Context) error {
				w.begun = append(w.begun, time.Now())
				return probe(ctx)
			}),
			Interval: 5 * time.Second,
			Timeout:  2 * time.Second,
			Rise:     2,
			Fall:     3,
		},
		OnChange: func(c Change) { w.changes = append(w.changes, c) },
	})
	return w
}

// runFor runs the monitor for d.
func (w *watch) runFor(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	w.Run(ctx)
}

func good(context.Context) error { return nil }

func TestMonitorFirstAnswerSetsTheState(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want balance.State
	}{
		{"good", nil, balance.Up},
		{"bad", errBad, balance.Down},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				w := newWatch(func(context.Context) error { return tt.err })
				if _, ok := w.LastResult(); ok || w.Verdict() != balance.Unknown {
					t.Error("there is a result before the first probe")
				}
				w.runFor(t, 4*time.Second)
				if w.service.State() != tt.want || w.Verdict() != tt.want {
					t.Errorf("state %v, verdict %v; want %v", w.service.State(), w.Verdict(), tt.want)
				}
				if len(w.changes) != 1 || w.changes[0].From != balance.Unknown || w.changes[0].To != tt.want || !errors.Is(w.changes[0].Cause, tt.err) {
					t.Fatalf("changes = %v; want one, from unknown to %v", w.changes, tt.want)
				}
				// Traffic waits for the first answer, so it comes soon.
				if late := w.begun[0].Sub(start); late > 500*time.Millisecond {
					t.Errorf("the first probe began after %v; want a tenth of the interval at most", late)
				}
			})
		})
	}
}

func TestMonitorTakesHungServiceDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := false
		w := newWatch(func(ctx context.Context) error {
			if !hung {
				hung = true
				return nil
			}
			return hang(ctx)
		})
		w.runFor(t, time.Minute)
		if len(w.changes) != 2 || w.changes[1].To != balance.Down {
			t.Fatalf("changes = %v; want up, then down", w.changes)
		}
		// The third that hangs begins three intervals after the good one and gives up 2s later.
		took := w.changes[1].At.Sub(w.begun[0])
		if least, most := 3*4500*time.Millisecond+2*time.Second, 3*5500*time.Millisecond+2*time.Second; took < least || took > most {
			t.Errorf("the service went down after %v; want %v to %v", took, least, most)
		}
		if !errors.Is(w.changes[1].Cause, ErrTimeout) {
			t.Errorf("cause = %v; want %v", w.changes[1].Cause, ErrTimeout)
		}
	})
}

func TestMonitorBringsServiceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []error{errBad, nil, errBad, nil, nil}
		w := newWatch(func(context.Context) error {
			err := answers[0]
			if len(answers) > 1 {
				answers = answers[1:]
			}
			return err
		})
		w.runFor(t, time.Minute)
		if len(w.changes) != 2 || w.changes[1].To != balance.Up || w.changes[1].Cause != nil || !w.changes[1].At.Equal(w.begun[4]) {
			t.Errorf("changes = %v; want down at the first answer, up at the fifth", w.changes)
		}
	})
}

func TestMonitorInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(func(context.Context) error {
			time.Sleep(time.Second) // counts into the interval
			return nil
		})
		w.runFor(t, 10*time.Minute)
		if n := len(w.begun); n < 600/6 || n > 600/4 {
			t.Fatalf("%d probes in 10 minutes; want about 120", n)
		}
		differs := false
		for i := 1; i < len(w.begun); i++ {
			gap := w.begun[i].Sub(w.begun[i-1])
			if gap < 4500*time.Millisecond || gap > 5500*time.Millisecond {
				t.Errorf("probe %d came after %v; want 5s, more or less a tenth", i, gap)
			}
			differs = differs || gap != 5*time.Second
		}
		if !differs {
			t.Error("no jitter: every gap is the interval")
		}
		time.Sleep(time.Second) // past the time of the last probe, which may have been cut off
		r, ok := w.LastResult()
		if age := time.Since(r.At); !ok || r.Err != nil || r.Took != time.Second || age > 13*time.Second {
			t.Errorf("LastResult() = %v, %v, begun %v ago; want 1s, no error, one of the last two", r, ok, age)
		}
	})
}

// A failure that traffic meets brings the next probe forward; a storm of them is
// no storm of probes.
func TestMonitorNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(good)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx)
		}()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(w.begun) != 1 {
			t.Fatalf("%d probes after 2s; want 1", len(w.begun))
		}
		w.service.Failed()
		synctest.Wait()
		if len(w.begun) != 2 || !w.begun[1].Equal(time.Now()) {
			t.Fatalf("a failure 2s after a probe: probes at %v; want one more, now", w.begun)
		}
		for range 10000 { // 10 seconds of failures
			w.service.Failed()
			time.Sleep(time.Millisecond)
		}
		cancel()
		<-done
		if n := len(w.begun) - 2; n < 15 || n > 20 {
			t.Errorf("%d probes in 10s of failures; want one each 500ms", n)
		}
		for i := 2; i < len(w.begun); i++ {
			if gap := w.begun[i].Sub(w.begun[i-1]); gap < 500*time.Millisecond {
				t.Errorf("probe %d came %v after the one before; want 500ms at least", i, gap)
			}
		}
		if w.service.State() != balance.Up {
			t.Errorf("state %v: failures in traffic alone changed it", w.service.State())
		}
	})
}

// A probe that takes longer than the interval delays the next one: there are
// never two.
func TestMonitorOneInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flying, most := 0, 0
		w := newWatch(func(context.Context) error {
			flying++
			most = max(most, flying)
			time.Sleep(7 * time.Second) // a probe that does not keep its time
			flying--
			return nil
		})
		w.runFor(t, time.Minute)
		if most != 1 || flying != 0 {
			t.Errorf("%d probes in flight at once, %d when Run had returned; want 1 and 0", most, flying)
		}
		if n := len(w.begun); n < 8 || n > 9 {
			t.Errorf("%d probes of 7s in a minute; want them back to back", n)
		}
	})
}

// What is cut off by the end of Run says nothing of the service.
func TestMonitorStopsWithoutAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(hang)
		w.runFor(t, time.Second)
		if len(w.begun) != 1 || len(w.changes) != 0 || w.service.State() != balance.Unknown {
			t.Errorf("probes %d, changes %v, state %v; want 1, none, unknown", len(w.begun), w.changes, w.service.State())
		}
		if _, ok := w.LastResult(); ok {
			t.Error("the probe that was cut off left a result")
		}
	})
}

// What is ordered stays ordered, whatever the probes say: in maintenance their
// word waits. A drain keeps nobody at a server that is down.
func TestMonitorLeavesOrders(t *testing.T) {
	tests := []struct{ ordered, want, after balance.State }{
		{balance.Drain, balance.Down, balance.Down},
		{balance.Maintenance, balance.Maintenance, balance.Down},
	}
	for _, tt := range tests {
		t.Run(tt.ordered.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatch(func(context.Context) error { return errBad })
				w.service.SetState(time.Now(), tt.ordered)
				order := w.service.Order().Kind
				w.runFor(t, time.Minute)
				if w.service.State() != tt.want || w.service.Order().Kind != order || w.Verdict() != balance.Down {
					t.Errorf("state %v, order %v, verdict %v; want %v, %v, down", w.service.State(), w.service.Order().Kind, w.Verdict(), tt.want, order)
				}
				if changed := len(w.changes) != 0; changed != (tt.want != tt.ordered) {
					t.Errorf("changes %v", w.changes)
				}
				w.service.SetOrder(time.Now(), balance.Order{})
				if w.service.State() != tt.after {
					t.Errorf("without an order the state is %v; want %v", w.service.State(), tt.after)
				}
			})
		})
	}
}

// A reload starts a new monitor on the same service: the state stays, and falls
// only after as many bad answers as ever.
func TestMonitorResumesAfterReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(func(context.Context) error { return errBad })
		w.service.SetState(time.Now(), balance.Up)
		start := time.Now()
		w.runFor(t, time.Minute)
		if len(w.changes) != 1 || w.changes[0].From != balance.Up || !w.changes[0].At.Equal(w.begun[2]) {
			t.Errorf("changes = %v, probes %v; want down at the third", w.changes, w.begun)
		}
		if late := w.begun[0].Sub(start); late > 5*time.Second {
			t.Errorf("the first probe began after %v; want an interval at most", late)
		}
	})
}

func TestMonitorDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probes := 0
		s := &balance.Service{Server: new(balance.Server)}
		m := NewMonitor(Options{Service: s, Asking: Asking{Probe: probeFunc(func(ctx context.Context) error { probes++; return NoProbe{}.Check(ctx) })}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		m.Run(ctx)
		if s.State() != balance.Up || probes < 10 || probes > 14 {
			t.Errorf("state %v after %d probes in a minute; want up, about 12", s.State(), probes)
		}
	})
}

// However rarely a service is asked, its first answer is not waited for.
func TestMonitorAsksSoonAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(good)
		w.shallow.Interval = time.Hour
		begun := time.Now()
		w.runFor(t, time.Minute)
		if len(w.begun) != 1 || w.begun[0].Sub(begun) > time.Second {
			t.Errorf("probes at %v after %v; want one within a second", w.begun, begun)
		}
	})
}
