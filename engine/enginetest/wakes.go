package enginetest

import (
	"sync"
	"time"

	"casbah/engine"
)

// wakes returns how deadlines come.
func wakes() []behaviour {
	return []behaviour{
		{"wake-deadlines", deadlines, together},
		{"wake-once-and-again", wakeAgain, together},
		{"wake-on-open", wakeOnOpen, alone},
		{"wake-clock", injectedClock, alone},
	}
}

// soon is a deadline in these tests, and late one that does not come.
const (
	soon = 60 * time.Millisecond
	late = time.Hour
)

// wakeCase is the deadlines of a core: by turn, from the time of that turn.
type wakeCase struct {
	name  string
	wakes [][]time.Duration // 0 cancels
	comes bool              // the last one does
}

// deadlines ticks at the deadline that was set last, never before, and once.
func deadlines(t *trial) {
	tests := []wakeCase{
		{"once", [][]time.Duration{{soon}}, true},
		{"later", [][]time.Duration{{soon}, {2 * soon}, {3 * soon}}, true},
		{"sooner", [][]time.Duration{{late}, {soon}}, true},
		{"same-turn", [][]time.Duration{{soon, late, 2 * soon}}, true},
		{"cancelled", [][]time.Duration{{soon}, {0}}, false},
		{"cancelled-in-turn", [][]time.Duration{{soon, 0}}, false},
		{"set-again", [][]time.Duration{{soon}, {0}, {2 * soon}}, true},
		{"past", [][]time.Duration{{-late}}, true},
		{"far", [][]time.Duration{{late}}, false},
	}
	var all sync.WaitGroup
	for _, tt := range tests { // together: each waits for the same time
		core := &sleeper{t: t, tt: tt}
		s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core.toy())})
		all.Go(func() { core.check(s) })
	}
	all.Wait()
}

// sleeper sets the deadlines of tt, a list at each offer, and holds ticks to
// them.
type sleeper struct {
	t  *trial
	tt wakeCase

	mu  sync.Mutex // guards the field below
	due int64      // the deadline; 0: none
}

func (k *sleeper) toy() *Toy {
	core := &Toy{}
	turn := 0
	core.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		k.mu.Lock()
		for _, after := range k.tt.wakes[turn] {
			if k.due = 0; after != 0 {
				k.due = core.after(after)
			}
			d.Wake(k.due)
		}
		k.mu.Unlock()
		turn++
		d.Send(l, p)
		return len(p)
	}
	core.OnTick = func(now int64, why engine.Cause, _ engine.Driver) {
		k.mu.Lock()
		defer k.mu.Unlock()
		switch {
		case why != engine.Deadline:
		case k.due == 0:
			k.t.Errorf("%s: a tick without a deadline", k.tt.name)
		case now < k.due:
			k.t.Errorf("%s: a tick %v before its deadline", k.tt.name, time.Duration(k.due-now))
		default:
			k.due = 0
		}
	}
	return core
}

// check runs the case over a connection.
func (k *sleeper) check(s *served) {
	nc, err := tryDial(k.t, s.at)
	if err != nil {
		k.t.Errorf("%s: %v", k.tt.name, err)
		return
	}
	for range k.tt.wakes {
		_, _ = nc.Write([]byte("x"))
		if _, err := nc.Read(make([]byte, 1)); err != nil { // else the turn is over
			k.t.Errorf("%s: %v", k.tt.name, err)
			return
		}
	}
	for began := time.Now(); k.tt.comes && k.waits(); time.Sleep(time.Millisecond) {
		if time.Since(began) > Patience {
			k.t.Errorf("%s: no tick after %v", k.tt.name, Patience)
			return
		}
	}
	time.Sleep(5 * soon) // for ticks that are not to come
}

// waits reports whether a deadline is to come.
func (k *sleeper) waits() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.due != 0
}

// wakeAgain ticks at each of many deadlines, set by the tick before.
func wakeAgain(t *trial) {
	const n = 20
	ticks := make(chan time.Duration, n)
	left, due := n, int64(0)
	wake := func(now int64, d engine.Driver) {
		due = now + int64(time.Millisecond)
		d.Wake(due)
	}
	core := &Toy{
		OnOpen: wake,
		OnTick: func(now int64, why engine.Cause, d engine.Driver) {
			if left--; why != engine.Deadline || left < 0 {
				return
			}
			ticks <- time.Duration(now - due)
			if left > 0 {
				wake(now, d)
			}
		},
	}
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
	Dial(t, s.at)
	for i := range n {
		if early := Receive(t, ticks, "tick"); early < 0 {
			t.Errorf("tick %d came %v before its deadline", i, -early)
		}
	}
}

// wakeOnOpen lets a core set a deadline for a client that says nothing.
func wakeOnOpen(t *trial) {
	t.inModes(func(t *trial, m mode) {
		core := &Toy{
			OnOpen: func(now int64, d engine.Driver) { d.Wake(now + int64(time.Millisecond)) },
			OnTick: func(_ int64, _ engine.Cause, d engine.Driver) {
				d.Send(engine.Client, []byte("too slow"))
				d.Close(engine.Client, engine.Flush)
			},
		}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Expect(t, nc, "too slow")
		ExpectEnd(t, nc)
		_ = nc.Close()
		Wait(t, s)
	})
}

// clocked is a core that tells the time of its first octets.
type clocked struct {
	Toy
	now chan int64
}

func (c *clocked) Bytes(now int64, _ engine.Leg, p []byte, _ engine.Driver) int {
	c.now <- now
	return len(p)
}

// injectedClock gives cores the time of Config.Clock.
func injectedClock(t *trial) {
	core := &clocked{now: make(chan int64, 1)}
	s := t.start(engine.Config{Clock: func() int64 { return 4711 }}, &engine.Listener{New: Fixed(core)})
	Send(t, Dial(t, s.at), "x")
	if got := Receive(t, core.now, "Bytes"); got != 4711 {
		t.Errorf("now = %d; want 4711", got)
	}
}
