//go:build linux

package reactor

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"casbah/balance"
	"casbah/engine"
)

// Config says how an Engine works.
type Config struct {
	engine.Config
	Loops int // event loops; 0: one for each core that the process may use
}

// Engine drives connections. Make it with New.
type Engine struct {
	cfg     engine.Config
	clock   func() int64
	faults  engine.Faults
	sources *engine.Sources
	loops   []*loop
	running sync.WaitGroup
	open    atomic.Int64

	mu    sync.Mutex // guards the field below; the loops take it when the last connection ends
	empty chan struct{}
	waits atomic.Bool // somebody has made empty
}

// New makes an engine and starts its loops.
func New(cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg.Config, clock: cfg.Clock}
	e.sources = engine.SharedSources(&cfg.Config)
	if e.clock == nil {
		e.clock = engine.WallClock()
	}
	n := cfg.Loops
	if n <= 0 {
		n = Cores()
	}
	for range n {
		lp, err := e.newLoop()
		if err != nil {
			for _, lp := range e.loops {
				lp.close()
			}
			return nil, err
		}
		e.loops = append(e.loops, lp)
	}
	for _, lp := range e.loops {
		e.running.Go(lp.run)
	}
	return e, nil
}

// Cores returns how many cores the process may use.
func Cores() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 1
	}
	return max(set.Count(), 1)
}

// newLoop opens what a loop needs.
func (e *Engine) newLoop() (*loop, error) {
	lp := &loop{
		engine: e, epfd: -1, wakefd: -1, reserve: -1,
		acceptors: make(map[int]*acceptor),
		shelves:   make(map[*balance.Endpoint]*shelf),
		scratch:   make([]byte, scratchSize),
		cipher:    make([]byte, scratchSize),
	}
	var err error
	if lp.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("reactor: %w", os.NewSyscallError("epoll_create1", err))
	}
	if lp.wakefd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		lp.close()
		return nil, fmt.Errorf("reactor: %w", os.NewSyscallError("eventfd", err))
	}
	if errno := watch(lp.epfd, lp.wakefd, unix.EPOLLIN, 0); errno != 0 {
		lp.close()
		return nil, fmt.Errorf("reactor: %w", os.NewSyscallError("epoll_ctl", errno))
	}
	lp.openReserve()
	return lp, nil
}

// Open implements engine.Engine.
func (e *Engine) Open() int { return int(e.open.Load()) }

// Panics implements engine.Engine.
func (e *Engine) Panics() uint64 { return e.faults.Count() }

// Loops implements engine.Engine.
func (e *Engine) Loops() []int {
	open := make([]int, len(e.loops))
	for i, lp := range e.loops {
		open[i] = int(lp.open.Load())
	}
	return open
}

// Review implements engine.Engine.
func (e *Engine) Review() {
	for _, lp := range e.loops {
		lp.post(func() { lp.tellAll(engine.Woken) })
	}
}

// Drain implements engine.Engine.
func (e *Engine) Drain() { e.tell(engine.Drain) }

// Kill implements engine.Engine.
func (e *Engine) Kill() { e.tell(engine.Kill) }

// tell tells all cores of why. A connection that is accepted after that finds
// its loop draining.
func (e *Engine) tell(why engine.Cause) {
	for _, lp := range e.loops {
		lp.post(func() { lp.tell(why) })
	}
}

// leave counts a connection out.
func (e *Engine) leave() {
	if e.open.Add(-1) > 0 || !e.waits.Load() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.empty != nil && e.open.Load() == 0 {
		close(e.empty)
		e.empty = nil
		e.waits.Store(false)
	}
}

// Wait implements engine.Engine.
func (e *Engine) Wait(ctx context.Context) error {
	e.mu.Lock()
	if e.empty == nil {
		e.empty = make(chan struct{})
	}
	empty := e.empty
	e.waits.Store(true)
	e.mu.Unlock()
	if e.open.Load() == 0 { // who left before waits was set told nobody
		return nil
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements engine.Engine.
func (e *Engine) Close() {
	_ = e.Wait(context.Background())
	for _, lp := range e.loops {
		lp.post(func() { lp.over = true })
	}
	e.running.Wait()
}
