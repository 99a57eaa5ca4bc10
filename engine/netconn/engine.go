package netconn

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"casbah/balance"
	"casbah/engine"
)

// Config says how an Engine works. The zero value is ready.
type Config struct {
	// Clock returns nanoseconds since the Unix epoch and never goes back; nil:
	// the time of day at New, and monotonic time from there.
	Clock func() int64
	// Dial connects to an endpoint, TLS included, before ctx ends; nil: TCP to
	// its address, and TLS if it has any.
	Dial func(ctx context.Context, e *balance.Endpoint) (net.Conn, error)

	MaxConns     int // client connections open at once; 0: no limit
	MaxPerSource int // of these, from one address; 0: no limit

	// OnPanic is told of a panic of a core, which ends its connection, with the
	// stack the first time that it happens at that place, and nil after; nil:
	// nobody is told.
	OnPanic func(where string, value any, stack []byte)
}

// Engine drives connections. Make it with New.
type Engine struct {
	cfg      Config
	clock    func() int64
	parked   parked
	faults   faults
	hangups  hangups
	refusing atomic.Int64 // connections that are being told why they are refused

	mu       sync.Mutex // guards the fields below; taken with a connection's mutex held, never the other way round
	conns    map[*conn]struct{}
	sources  map[netip.Addr]int // connections per client address
	draining bool
	empty    chan struct{} // closed when no connection is left; nil: nobody waits
}

// New makes an engine.
func New(cfg Config) *Engine {
	e := &Engine{
		cfg:     cfg,
		clock:   cfg.Clock,
		conns:   make(map[*conn]struct{}),
		sources: make(map[netip.Addr]int),
	}
	if e.clock == nil {
		e.clock = wallClock()
	}
	e.parked.clock = e.clock
	return e
}

// Open returns how many client connections are open, those in their handshake
// included.
func (e *Engine) Open() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.conns)
}

// Panics returns how many connections ended by a panic of their core.
func (e *Engine) Panics() uint64 { return e.faults.n.Load() }

// Drain tells all cores to finish what is open. New connections are refused,
// so listeners are closed before; those in their handshake finish it and are
// told then. Parked connections are closed.
func (e *Engine) Drain() {
	e.parked.shut()
	for _, c := range e.stop() {
		c.tick(engine.Drain)
	}
}

// Kill tells all cores to close everything, and closes what they left open.
func (e *Engine) Kill() {
	e.parked.shut()
	for _, c := range e.stop() {
		c.tick(engine.Kill)
	}
}

// stop refuses new connections and returns those that are open.
func (e *Engine) stop() []*conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.draining = true
	open := make([]*conn, 0, len(e.conns))
	for c := range e.conns {
		open = append(open, c)
	}
	return open
}

// Wait returns when no client connection is open, or ctx has ended.
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
