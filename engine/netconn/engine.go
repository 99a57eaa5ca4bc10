package netconn

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"casbah/balance"
	"casbah/engine"
)

// Engine drives connections. Make it with New.
type Engine struct {
	cfg      engine.Config
	clock    func() int64
	dialer   func(ctx context.Context, e *balance.Endpoint) (net.Conn, error) // nil: TCP to its address, and TLS if it has any
	parked   parked
	faults   engine.Faults
	hangups  hangups
	sources  *engine.Sources
	refusing atomic.Int64   // connections that are being told why they are refused
	clients  atomic.Int64   // of conns, those that are no stream of another one
	running  sync.WaitGroup // goroutines, all but timers and the watch for hang-ups

	mu       sync.Mutex // guards the fields below; taken with a connection's mutex held, never the other way round
	conns    map[*conn]struct{}
	draining bool
	killed   bool
	empty    chan struct{} // closed when no connection is left; nil: nobody waits
}

// New makes an engine.
func New(cfg engine.Config) *Engine {
	e := &Engine{
		cfg:   cfg,
		clock: cfg.Clock,
		conns: make(map[*conn]struct{}),
	}
	e.sources = engine.SharedSources(&cfg)
	if e.clock == nil {
		e.clock = engine.WallClock()
	}
	e.parked.clock = e.clock
	return e
}

// Open implements engine.Engine.
func (e *Engine) Open() int { return int(e.clients.Load()) }

// Loops implements engine.Engine: a goroutine per leg is no loop.
func (e *Engine) Loops() []int { return nil }

// Panics implements engine.Engine.
func (e *Engine) Panics() uint64 { return e.faults.Count() }

// Review implements engine.Engine.
func (e *Engine) Review() {
	e.parked.clear()
	for _, c := range e.all() {
		c.tick(engine.Woken)
	}
}

// all returns the connections that are open.
func (e *Engine) all() []*conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Keys(e.conns))
}

// Drain implements engine.Engine.
func (e *Engine) Drain() {
	e.parked.shut()
	for _, c := range e.stop() {
		c.tick(engine.Drain)
	}
}

// Kill implements engine.Engine.
func (e *Engine) Kill() {
	e.parked.shut()
	e.mu.Lock()
	e.killed = true
	e.mu.Unlock()
	for _, c := range e.stop() {
		c.tick(engine.Kill)
	}
}

// Close implements engine.Engine.
func (e *Engine) Close() {
	_ = e.Wait(context.Background())
	e.parked.shut()
	e.running.Wait()
	e.hangups.close()
}

// stop refuses new connections and returns those that are open.
func (e *Engine) stop() []*conn {
	e.mu.Lock()
	e.draining = true
	e.mu.Unlock()
	return e.all()
}

// whileOpen runs f in a goroutine of its own if c is open now.
func (e *Engine) whileOpen(c *conn, f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.conns[c]; ok { // else Close may wait already for those that run
		e.running.Go(f)
	}
}

// Wait implements engine.Engine.
func (e *Engine) Wait(ctx context.Context) error {
	e.mu.Lock()
	if len(e.conns) == 0 {
		e.mu.Unlock()
		return nil
	}
	if e.empty == nil {
		e.empty = make(chan struct{})
	}
	empty := e.empty
	e.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
