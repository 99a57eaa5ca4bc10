package enginetest

import (
	"slices"
	"sync"
	"time"

	"casbah/engine"
)

// wakes returns how deadlines come.
func wakes() []behaviour {
	return []behaviour{
		{"wake-deadlines", deadlines},
		{"wake-once-and-again", wakeAgain},
		{"wake-on-open", wakeOnOpen},
		{"wake-clock", injectedClock},
	}
}

// soon is a deadline in these tests, and late one that does not come.
const (
	soon = 60 * time.Millisecond
	late = time.Hour
)

// wakeCase is a core's deadlines: by turn, from the time of that turn.
type wakeCase struct {
	name  string
	wakes [][]time.Duration // 0 cancels
	want  []time.Duration   // the earliest that each tick may come, from the last turn
}

// deadlines ticks at the deadline that was set last, never before, and no more
// often.
func deadlines(t *trial) {
	tests := []wakeCase{
		{"once", [][]time.Duration{{soon}}, []time.Duration{soon}},
		{"later", [][]time.Duration{{soon}, {2 * soon}, {3 * soon}}, []time.Duration{3 * soon}},
		{"sooner", [][]time.Duration{{late}, {soon}}, []time.Duration{soon}},
		{"same-turn", [][]time.Duration{{soon, late, 2 * soon}}, []time.Duration{2 * soon}},
		{"cancelled", [][]time.Duration{{soon}, {0}}, nil},
		{"cancelled-in-turn", [][]time.Duration{{soon, 0}}, nil},
		{"set-again", [][]time.Duration{{soon}, {0}, {2 * soon}}, []time.Duration{2 * soon}},
		{"past", [][]time.Duration{{-time.Hour}}, []time.Duration{0}},
		{"far", [][]time.Duration{{late}}, nil},
	}
	var all sync.WaitGroup
	for _, tt := range tests { // together: each waits for the same time
		core := &sleeper{wakes: tt.wakes}
		s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core.toy())})
		all.Go(func() { core.check(t, s, &tt) })
	}
	all.Wait()
}

// sleeper sets deadlines, a list at each offer, and keeps when ticks came.
type sleeper struct {
	wakes [][]time.Duration

	mu    sync.Mutex // guards the fields below
	last  int64      // when the last offer was
	ticks []time.Duration
}

func (k *sleeper) toy() *Toy {
	core := &Toy{}
	turn := 0
	core.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		k.mu.Lock()
		k.last = core.now
		for _, after := range k.wakes[turn] {
			at := int64(0)
			if after != 0 {
				at = k.last + int64(after)
			}
			d.Wake(at)
		}
		k.mu.Unlock()
		turn++
		d.Send(l, p)
		return len(p)
	}
	core.OnTick = func(now int64, why engine.Cause, _ engine.Driver) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if why == engine.Deadline {
			k.ticks = append(k.ticks, time.Duration(now-k.last))
		}
	}
	return core
}

// check runs tt over a connection.
func (k *sleeper) check(t *trial, s *served, tt *wakeCase) {
	nc, err := tryDial(t, s.at)
	if err != nil {
		t.Error(err)
		return
	}
	for range tt.wakes {
		_, _ = nc.Write([]byte("x"))
		if _, err := nc.Read(make([]byte, 1)); err != nil { // else the turn is over
			t.Errorf("%s: %v", tt.name, err)
			return
		}
	}
	began := time.Now()
	for len(k.got()) < len(tt.want) && time.Since(began) < Patience {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(5 * soon) // for a tick that is not to come
	got := k.got()
	if len(got) != len(tt.want) {
		t.Errorf("%s: ticks %v from the last turn; want %d", tt.name, got, len(tt.want))
		return
	}
	for i := range got {
		if got[i] < tt.want[i] {
			t.Errorf("%s: tick %d came %v from the last turn; want %v or later", tt.name, i, got[i], tt.want[i])
		}
	}
}

func (k *sleeper) got() []time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.ticks)
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
