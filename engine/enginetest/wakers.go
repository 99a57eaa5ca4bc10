package enginetest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"

	"casbah/balance"
	"casbah/engine"
)

// wakers returns how connections wake each other.
func wakers() []behaviour {
	return []behaviour{
		{"waker-tick", wakerTick, alone},
		{"waker-each-other", wakeEachOther, alone},
		{"waker-over", wakerOver, alone},
		{"waker-panic", wakerPanic, alone},
	}
}

// waking is a NewCore of cores that pass their Waker on when they open, and tell
// their client of each time that they are woken.
func waking(ws chan<- balance.Waker) engine.NewCore {
	return func(engine.Conn) engine.Core {
		return &Toy{
			OnOpen: func(_ int64, d engine.Driver) { ws <- d.Waker() },
			OnTick: func(_ int64, why engine.Cause, d engine.Driver) {
				if why == engine.Woken {
					d.Send(engine.Client, []byte("w"))
				}
			},
		}
	}
}

// wakerTick has a core be called that was woken from a goroutine that is nobody's.
func wakerTick(t *trial) {
	t.inModes(func(t *trial, m mode) {
		ws := make(chan balance.Waker, 1)
		s := t.start(engine.Config{}, m.listener(waking(ws)))
		nc := m.dial(t, s.at)
		Send(t, nc, "x") // a client of TLS begins with its first octet
		w := Receive(t, ws, "Waker")
		for range 3 {
			w.Awaken()
			Expect(t, nc, "w")
		}
	})
}

// wakeEachOther has many connections wake each other, and themselves, from within
// their calls: nobody waits for anybody, no core is called within its call, and
// each wake-up is followed by a call.
func wakeEachOther(t *trial) {
	const conns, rounds = 24, 200
	var mu sync.Mutex
	var all []balance.Waker
	wake := func(i int) {
		mu.Lock()
		w := all[i%len(all)]
		mu.Unlock()
		w.Awaken()
	}
	s := t.start(engine.Config{}, &engine.Listener{New: func(engine.Conn) engine.Core {
		woken, own := 0, 0
		core := &Toy{}
		core.OnOpen = func(_ int64, d engine.Driver) {
			mu.Lock()
			defer mu.Unlock()
			own = len(all)
			all = append(all, d.Waker())
			d.Send(engine.Client, []byte("o"))
		}
		core.OnBytes = func(_ engine.Leg, p []byte, _ engine.Driver) int {
			wake(own + 1) // it hands on to the next, in a ring
			wake(own)
			return len(p)
		}
		core.OnTick = func(_ int64, why engine.Cause, d engine.Driver) {
			if why != engine.Woken {
				return
			}
			if woken++; woken < rounds {
				wake(own + 1)
			} else if woken == rounds {
				d.Send(engine.Client, []byte("."))
			}
		}
		return core
	}})
	var clients []*net.TCPConn
	for range conns {
		nc := Dial(t, s.at)
		Expect(t, nc, "o")
		clients = append(clients, nc)
	}
	for _, nc := range clients {
		Send(t, nc, "go")
	}
	for _, nc := range clients {
		Expect(t, nc, ".")
	}
}

// wakerOver does nothing where the connection is over, or the engine closed.
func wakerOver(t *trial) {
	ws := make(chan balance.Waker, 2)
	var over balance.Waker
	t.run("open", func(t *trial) {
		s := t.start(engine.Config{}, &engine.Listener{New: waking(ws)})
		nc := Dial(t, s.at)
		over = Receive(t, ws, "Waker")
		_ = nc.CloseWrite()
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // a net.Conn returns it as it is
			t.Fatalf("the end of the connection: %v; want EOF", err)
		}
		var all sync.WaitGroup
		for range 8 { // while the engine stops
			all.Go(func() {
				for range 100 {
					over.Awaken()
				}
			})
		}
		all.Wait()
	})
	over.Awaken()
}

// wakerPanic ends the connection alone whose core panics when it is woken, and
// those that were woken with it are called.
func wakerPanic(t *trial) {
	ws := make(chan balance.Waker, 1)
	panicked := make(chan struct{}, 1)
	given := make(chan struct{}, 2)
	var fails atomic.Bool
	fails.Store(true)
	s := t.start(engine.Config{OnPanic: func(string, any, []byte) { panicked <- struct{}{} }}, &engine.Listener{New: func(c engine.Conn) engine.Core {
		core := waking(ws)(c)
		if toy, ok := core.(*Toy); ok && fails.Swap(false) {
			toy.OnTick = func(int64, engine.Cause, engine.Driver) { panic("woken") }
			return &abandoned{toy, given}
		}
		return core
	}})
	bad := Dial(t, s.at)
	first := Receive(t, ws, "Waker")
	good := Dial(t, s.at)
	second := Receive(t, ws, "Waker")
	first.Awaken()
	second.Awaken()
	Receive(t, panicked, "panic")
	Receive(t, given, "Abandon")
	Expect(t, good, "w")
	if _, err := bad.Read(make([]byte, 1)); err == nil {
		t.Error("the connection whose core panicked is open")
	}
	if len(given) > 0 {
		t.Error("a core was abandoned twice")
	}
}

// abandoned is a core that tells of its last call after a panic.
type abandoned struct {
	*Toy
	given chan<- struct{}
}

// Abandon is what engine.Abandon calls.
func (a *abandoned) Abandon() { a.given <- struct{}{} }
