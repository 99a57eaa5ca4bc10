package enginetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// Toy is a core made of functions. What is nil does nothing; Bytes then uses
// all, and End closes what has sent FIN. A Toy panics if its driver calls it
// while it is called, or turns the clock back.
type Toy struct {
	OnOpen    func(now int64, d engine.Driver) // the tick that every connection begins with
	OnBytes   func(l engine.Leg, p []byte, d engine.Driver) int
	OnDialed  func(l engine.Leg, reused bool, err error, d engine.Driver)
	OnSecured func(l engine.Leg, dropped int, err error, d engine.Driver)
	OnEnd     func(l engine.Leg, err error, d engine.Driver)
	OnDrained func(l engine.Leg, d engine.Driver)
	OnMoved   func(from engine.Leg, n int64, d engine.Driver)
	OnTick    func(now int64, why engine.Cause, d engine.Driver) // any but the first

	called atomic.Bool
	now    int64
	opened bool
}

// enter begins a call, which leave ends.
func (t *Toy) enter(now int64) {
	if !t.called.CompareAndSwap(false, true) {
		panic("the driver called a core while it was called")
	}
	if now < t.now {
		panic(fmt.Sprintf("the driver turned the clock of a core back by %d ns", t.now-now))
	}
	t.now = now
}

func (t *Toy) leave() { t.called.Store(false) }

// after returns the time that long after the call that goes on.
func (t *Toy) after(wait time.Duration) int64 { return t.now + int64(wait) }

// Bytes implements engine.Core.
func (t *Toy) Bytes(now int64, l engine.Leg, p []byte, d engine.Driver) int {
	t.enter(now)
	defer t.leave()
	if t.OnBytes == nil {
		return len(p)
	}
	return t.OnBytes(l, p, d)
}

// Dialed implements engine.Core.
func (t *Toy) Dialed(now int64, l engine.Leg, reused bool, err error, d engine.Driver) {
	t.enter(now)
	defer t.leave()
	if t.OnDialed != nil {
		t.OnDialed(l, reused, err, d)
	}
}

// Secured implements engine.Core.
func (t *Toy) Secured(now int64, l engine.Leg, dropped int, err error, d engine.Driver) {
	t.enter(now)
	defer t.leave()
	if t.OnSecured != nil {
		t.OnSecured(l, dropped, err, d)
	}
}

// End implements engine.Core.
func (t *Toy) End(now int64, l engine.Leg, err error, d engine.Driver) {
	t.enter(now)
	defer t.leave()
	switch {
	case t.OnEnd != nil:
		t.OnEnd(l, err, d)
	case err == nil:
		d.Close(l, engine.Flush)
	}
}

// Drained implements engine.Core.
func (t *Toy) Drained(now int64, l engine.Leg, d engine.Driver) {
	t.enter(now)
	defer t.leave()
	if t.OnDrained != nil {
		t.OnDrained(l, d)
	}
}

// Moved implements engine.Core.
func (t *Toy) Moved(now int64, from engine.Leg, n int64, d engine.Driver) {
	t.enter(now)
	defer t.leave()
	if t.OnMoved != nil {
		t.OnMoved(from, n, d)
	}
}

// Tick implements engine.Core.
func (t *Toy) Tick(now int64, why engine.Cause, d engine.Driver) {
	t.enter(now)
	defer t.leave()
	if !t.opened && why == engine.Deadline {
		t.opened = true
		if t.OnOpen != nil {
			t.OnOpen(now, d)
		}
		return
	}
	if t.OnTick != nil {
		t.OnTick(now, why, d)
	}
}

// Fixed is a NewCore that makes one core; for tests with one connection.
func Fixed(core engine.Core) engine.NewCore { return func(engine.Conn) engine.Core { return core } }

// Echo is a NewCore of cores that send back what they get, and stop reading
// while their client does.
func Echo(engine.Conn) engine.Core {
	return &Toy{
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			if d.Send(l, p) {
				d.Hold(l, true)
			}
			return len(p)
		},
		OnDrained: func(l engine.Leg, d engine.Driver) { d.Hold(l, false) },
	}
}

// OneShot is a NewCore of cores that answer the first octets and close the
// client in that way.
func OneShot(answer string, how engine.How) engine.NewCore {
	return func(engine.Conn) engine.Core {
		return &Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			d.Send(l, []byte(answer))
			d.Close(l, how)
			return len(p)
		}}
	}
}

// relay is a core that joins its client with a server, by Send or by Move.
type relay struct {
	Toy
	dialled bool
	ends    int
}

// Relay is a NewCore of cores that join their client with a server at the
// first octets: by Move, or else by Send.
func Relay(to *balance.Endpoint, moves bool) engine.NewCore {
	return func(engine.Conn) engine.Core {
		r := &relay{}
		r.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
			if !r.dialled {
				r.dialled = true
				d.Hold(engine.Client, true)
				d.Dial(to, false)
				return 0
			}
			if d.Send(1-l, p) {
				d.Hold(l, true)
			}
			return len(p)
		}
		r.OnDialed = func(l engine.Leg, _ bool, err error, d engine.Driver) {
			if err != nil {
				d.Close(engine.Client, engine.Reset)
				return
			}
			d.Hold(engine.Client, false)
			if moves {
				d.Move(engine.Client, l, -1)
				d.Move(l, engine.Client, -1)
			}
		}
		r.OnDrained = func(l engine.Leg, d engine.Driver) { d.Hold(1-l, false) }
		r.OnEnd = r.ended
		return r
	}
}

// ended passes FIN on, and ends both legs after the second or at an error.
func (r *relay) ended(l engine.Leg, err error, d engine.Driver) {
	if r.ends++; err != nil {
		d.Close(1-l, engine.Reset)
		return
	}
	if r.ends == 2 {
		d.Close(1-l, engine.Flush)
		d.Close(l, engine.Flush)
		return
	}
	d.Close(1-l, engine.Half)
}
