package datagram

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"casbah/engine"
)

// sweepEvery is how often it is looked for flows that are due.
const sweepEvery = 200 * time.Millisecond

// Engine drives flows. Make it with New. It does nothing before the first Listen.
type Engine struct {
	conf    Config
	clock   func() int64
	sources engine.Sources
	faults  engine.Faults

	mu       sync.Mutex // guards the fields below; held for a look, or to count somebody in or out
	sockets  []*Socket  // open, those that take no new flow included
	open     int        // flows
	draining bool
	closed   bool
	sweeping bool
	empty    chan struct{} // closed when no flow is left; nil: nobody waits
	stop     chan struct{} // ends the sweep
	running  sync.WaitGroup
}

// New makes an engine.
func New(conf Config) *Engine {
	e := &Engine{conf: conf, clock: conf.Clock, stop: make(chan struct{})}
	e.sources.Limit = conf.MaxPerSource
	if e.clock == nil {
		e.clock = engine.WallClock()
	}
	return e
}

// Open returns how many flows are open.
func (e *Engine) Open() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open
}

// Panics returns how many flows were ended by a fault.
func (e *Engine) Panics() uint64 { return e.faults.Count() }

// Drain lets no new flow begin. Those that are open go on; a socket is closed
// with the last one of it.
func (e *Engine) Drain() {
	e.mu.Lock()
	e.draining = true
	sockets := slices.Clone(e.sockets)
	e.mu.Unlock()
	for _, s := range sockets {
		s.Close()
	}
}

// Kill ends all flows.
func (e *Engine) Kill() {
	e.Drain()
	e.mu.Lock()
	sockets := slices.Clone(e.sockets)
	e.mu.Unlock()
	for _, s := range sockets {
		s.kill()
	}
}

// Wait returns nil once no flow is open, or the cause of ctx's end.
func (e *Engine) Wait(ctx context.Context) error {
	select {
	case <-e.emptied():
		return nil
	case <-ctx.Done():
		if e.Open() == 0 {
			return nil
		}
		return ctx.Err()
	}
}

// emptied returns a channel that is closed once no flow is open.
func (e *Engine) emptied() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.empty == nil {
		e.empty = make(chan struct{})
	}
	empty := e.empty
	e.tellEmpty()
	return empty
}

// tellEmpty closes the channel if it is time. The caller holds e.mu.
func (e *Engine) tellEmpty() {
	if e.open == 0 && e.empty != nil {
		close(e.empty)
		e.empty = nil
	}
}

// Close ends what is left, and returns when nothing of the engine runs any more.
func (e *Engine) Close() {
	e.Kill()
	<-e.emptied()
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.stop)
	}
	e.mu.Unlock()
	e.running.Wait()
}

// background runs f, for which Close waits.
func (e *Engine) background(f func()) { e.running.Go(f) }

// admit counts a flow in at s, or says why it may not begin.
func (e *Engine) admit(s *Socket, source netip.Addr) engine.Reason {
	others := 0
	if e.conf.Others != nil {
		others = e.conf.Others()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.draining || s.retired:
		return engine.Stopping
	case e.conf.MaxFlows > 0 && e.open+others >= e.conf.MaxFlows:
		return engine.EngineFull
	case !e.sources.Admit(source):
		return engine.SourceFull
	case !s.ln.Admit():
		e.sources.Leave(source)
		return engine.ListenerFull
	}
	e.open++
	s.flows++
	return 0
}

// finish ends a flow that its table has let go of, and counts it out. Whoever took
// it out of the table calls it, and nobody else.
func (e *Engine) finish(now int64, f *flow, why engine.Ending) {
	f.end(now, why)
	s := f.key.socket
	e.sources.Leave(f.key.client.Addr().Unmap())
	f.ln.Leave()
	e.mu.Lock()
	e.open--
	s.flows--
	if s.retired && s.flows == 0 {
		e.forget(s)
	}
	e.tellEmpty()
	e.mu.Unlock()
}

// left reports whether s takes no flows any more.
func (e *Engine) left(s *Socket) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return s.retired
}

// forget closes a socket. The caller holds e.mu.
func (e *Engine) forget(s *Socket) {
	e.sockets = slices.DeleteFunc(e.sockets, func(o *Socket) bool { return o == s })
	_ = s.conn.Close()
}

// sweep ends flows when they are due, until the engine is closed.
func (e *Engine) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-tick.C:
			e.look(e.clock())
		}
	}
}

// look lets all flows that are due look at the time.
func (e *Engine) look(now int64) {
	e.mu.Lock()
	var listeners []*Listener
	for _, s := range e.sockets {
		if s.ln != nil && !slices.Contains(listeners, s.ln) {
			listeners = append(listeners, s.ln)
		}
	}
	e.mu.Unlock()
	var some [64]*flow
	for _, ln := range listeners {
		for n := len(some); n == len(some); {
			n = ln.table.ripe(now, some[:])
			for _, f := range some[:n] {
				if next := f.tick(now); next != 0 {
					ln.table.again(f, next)
				} else if ln.table.remove(f) {
					e.finish(now, f, engine.Expired)
				}
			}
		}
	}
}
