package netconn

import (
	"sync"

	"casbah/balance"
	"casbah/engine"
)

// toy is a core made of functions; what is nil does nothing, and Bytes then
// uses all.
type toy struct {
	bytes   func(l engine.Leg, p []byte, d engine.Driver) int
	dialed  func(l engine.Leg, reused bool, err error, d engine.Driver)
	secured func(l engine.Leg, err error, d engine.Driver)
	end     func(l engine.Leg, err error, d engine.Driver)
	drained func(l engine.Leg, d engine.Driver)
	moved   func(from engine.Leg, n int64, d engine.Driver)
	tick    func(now int64, why engine.Cause, d engine.Driver)
	opened  bool
}

func (t *toy) Bytes(_ int64, l engine.Leg, p []byte, d engine.Driver) int {
	if t.bytes == nil {
		return len(p)
	}
	return t.bytes(l, p, d)
}

func (t *toy) Dialed(_ int64, l engine.Leg, reused bool, err error, d engine.Driver) {
	if t.dialed != nil {
		t.dialed(l, reused, err, d)
	}
}

func (t *toy) Secured(_ int64, l engine.Leg, err error, d engine.Driver) {
	if t.secured != nil {
		t.secured(l, err, d)
	}
}

func (t *toy) End(_ int64, l engine.Leg, err error, d engine.Driver) {
	switch {
	case t.end != nil:
		t.end(l, err, d)
	case err == nil:
		d.Close(l, engine.Flush)
	}
}

func (t *toy) Drained(_ int64, l engine.Leg, d engine.Driver) {
	if t.drained != nil {
		t.drained(l, d)
	}
}

func (t *toy) Moved(_ int64, from engine.Leg, n int64, d engine.Driver) {
	if t.moved != nil {
		t.moved(from, n, d)
	}
}

func (t *toy) Tick(now int64, why engine.Cause, d engine.Driver) {
	if !t.opened { // the tick that every connection begins with
		t.opened = true
		return
	}
	if t.tick != nil {
		t.tick(now, why, d)
	}
}

// echo sends back what it gets, and stops reading while its client does.
func echo(engine.Conn) engine.Core {
	return &toy{
		bytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			if d.Send(l, p) {
				d.Hold(l, true)
			}
			return len(p)
		},
		drained: func(l engine.Leg, d engine.Driver) { d.Hold(l, false) },
	}
}

// relay joins its client with a server, by Send or by Move.
type relay struct {
	toy
	to    *balance.Endpoint
	moves bool
	ends  int
}

func newRelay(to *balance.Endpoint, moves bool) engine.NewCore {
	return func(engine.Conn) engine.Core {
		r := &relay{to: to, moves: moves}
		dialled := false
		r.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
			if !dialled {
				dialled = true
				d.Hold(engine.Client, true)
				d.Dial(to, false)
				return 0
			}
			if d.Send(1-l, p) {
				d.Hold(l, true)
			}
			return len(p)
		}
		r.dialed = func(l engine.Leg, _ bool, err error, d engine.Driver) {
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
		r.drained = func(l engine.Leg, d engine.Driver) { d.Hold(1-l, false) }
		r.end = r.ended
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

// journal is a list of lines that several goroutines write.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	j.lines = append(j.lines, line)
	j.mu.Unlock()
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...)
}
