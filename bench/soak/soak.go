package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"
)

// What casbah may have more of at rest than at the beginning: pipes for splice
// are kept, and the runtime starts a few things when they are first wanted.
const (
	spareSockets    = 0
	sparePipes      = 64
	spareOthers     = 4
	spareGoroutines = 8
)

// soak is a run.
type soak struct {
	opts   *options
	out    io.Writer
	ledger *ledger
	farm   *farm
	site   *site
	daemon *daemon
	rng    *rand.Rand // of reloads
	actors []*actor
	began  time.Time
	points []point
}

// prepare builds and starts all of it in dir.
func prepare(ctx context.Context, o *options, dir string, w io.Writer) (*soak, error) {
	s := &soak{opts: o, out: &shared{w: w}, ledger: new(ledger), rng: rand.New(rand.NewPCG(o.seed, 0))} //nolint:gosec // no secret
	fmt.Fprintf(s.out, "seed %d, %v, rest every %v, %d workers\n", o.seed, o.time, o.rest, o.workers)
	binary := o.binary
	if binary == "" {
		fmt.Fprintf(s.out, "building casbah, with the race detector: %t\n", o.race)
		var err error
		if binary, err = buildCasbah(ctx, dir, o.race); err != nil {
			return nil, err
		}
	}
	var err error
	if s.farm, err = newFarm(ctx, s.ledger, 4); err != nil {
		return nil, err
	}
	if s.site, err = newSite(ctx, o, dir, s.farm); err == nil {
		s.daemon, err = startDaemon(binary, s.site.path, "http://"+s.site.admin, filepath.Join(dir, "casbah.log"))
	}
	if err != nil {
		s.farm.close()
		return nil, err
	}
	sessions := tls.NewLRUClientSessionCache(64)
	for i := range o.workers {
		rng := rand.New(rand.NewPCG(o.seed, uint64(i)+1)) //nolint:gosec // no secret
		s.actors = append(s.actors, &actor{ledger: s.ledger, farm: s.farm, site: s.site, rng: rng, sessions: sessions})
	}
	return s, nil
}

// soak is the whole run; the error is that a rule was broken.
func (s *soak) soak(ctx context.Context) error {
	defer s.farm.close()
	if err := s.drive(ctx); err != nil && ctx.Err() == nil {
		s.ledger.breach("%v", err)
	}
	s.compare()
	if err := s.daemon.stop(); err != nil {
		s.ledger.verdict("%v", err)
	}
	if missed, posts := s.ledger.missed.Load(), s.ledger.posts.Load(); missed > 5+posts/50 {
		s.ledger.breach("%d of %d POSTs met a connection that its server had closed: more than servers close", missed, posts)
	}
	lines, err := s.daemon.complaints()
	if err != nil {
		s.ledger.verdict("log of casbah: %v", err)
	}
	if len(lines) > 0 {
		s.ledger.verdict("%d lines of casbah's log tell of a fault, the first: %s", len(lines), lines[0])
	}
	fmt.Fprintf(s.out, "after %v, seed %d:\n", time.Since(s.began).Round(time.Second), s.opts.seed)
	s.ledger.summary(s.out)
	if n := s.ledger.broken(); n > 0 {
		return fmt.Errorf("%d breaches", n)
	}
	if ctx.Err() != nil {
		return errors.New("broken off, with no breach until then")
	}
	fmt.Fprintln(s.out, "no breach")
	return nil
}

// drive has clients work until the time is over, with rests between. The first
// work is short: what it leaves behind is what later rests are compared with.
func (s *soak) drive(outer context.Context) error {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	go func() {
		select {
		case <-s.daemon.ended: // nothing that waits for an answer waits on
			cancel()
		case <-ctx.Done():
		}
	}()
	if _, err := s.daemon.until(ctx, (*status).ready); err != nil {
		return fmt.Errorf("casbah does not serve: %w", err)
	}
	s.began = time.Now()
	var told sync.WaitGroup
	told.Go(func() { s.progress(ctx) })
	defer told.Wait()
	defer cancel()
	span := min(s.opts.rest, 5*time.Second)
	for {
		s.period(ctx, min(span, s.opts.time-time.Since(s.began)))
		if err := s.rest(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		if time.Since(s.began) >= s.opts.time {
			return nil
		}
		span = s.opts.rest
	}
}

// ready reports whether all services are up.
func (st *status) ready() bool {
	for _, p := range st.Pools {
		for _, sv := range p.Servers {
			for _, v := range sv.Services {
				if v.State != "up" && v.State != "down" { // the server dead has a probe too
					return false
				}
			}
		}
	}
	return true
}

// period has all clients work, and reloads, for some time.
func (s *soak) period(ctx context.Context, span time.Duration) {
	over, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	var work sync.WaitGroup
	kinds := kindsOf(s.opts)
	for _, a := range s.actors {
		work.Go(func() { a.work(ctx, over, kinds) })
	}
	work.Go(func() { s.reload(ctx, over) })
	work.Wait()
}

// reload reloads the configuration every few seconds until over ends.
func (s *soak) reload(ctx, over context.Context) {
	for next := 1; ; next = 1 - next {
		wait := time.NewTimer(time.Duration(s.rng.Int64N(int64(5 * time.Second))))
		select {
		case <-over.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		if s.rng.IntN(4) == 0 {
			s.reloaded(ctx, "broken", s.site.refuse(ctx, s.daemon, s.site.broken(s.rng)))
		}
		s.reloaded(ctx, "valid", s.site.apply(ctx, s.daemon, next))
	}
}

// reloaded takes down how a reload ended.
func (s *soak) reloaded(ctx context.Context, what string, err error) {
	switch {
	case err == nil:
		s.ledger.count("reload", what)
	case ctx.Err() == nil:
		s.ledger.breach("%v", err)
	}
}

// rest waits until casbah has nothing to do and takes down how it is then.
func (s *soak) rest(ctx context.Context) error {
	s.reloaded(ctx, "valid", s.site.apply(ctx, s.daemon, 0))
	if err := s.quiet(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	p, err := s.settle(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	s.points = append(s.points, p)
	return nil
}

// quiet waits until no connection of clients is open, and closes those that
// casbah keeps to the servers.
func (s *soak) quiet(ctx context.Context) error {
	st, err := s.daemon.until(ctx, func(st *status) bool { return st.Connections == 0 })
	if ctx.Err() != nil {
		return nil
	}
	if st == nil {
		return err
	}
	if err != nil {
		s.ledger.breach("all clients have left, and %d connections are open: %v", st.Connections, err)
	}
	if st.Panics > 0 {
		s.ledger.breach("%d connections ended by a panic", st.Panics)
	}
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(patience); !s.farm.hangUp(); {
		if time.Now().After(end) {
			s.ledger.breach("all clients have left, and requests are open at the servers")
			break
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
	}
	s.farm.begun.Clear()
	return nil
}

// settle returns how casbah is once it has no more than at the beginning, or
// has got enough time for that.
func (s *soak) settle(ctx context.Context) (point, error) {
	pace := time.NewTicker(250 * time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(patience / 3); ; {
		select {
		case <-ctx.Done():
			return point{}, nil
		case <-pace.C:
		}
		p, err := s.sample(ctx)
		if err != nil {
			return p, err
		}
		if len(s.points) == 0 || time.Now().After(end) || len(exceeds(s.points[0], p)) == 0 {
			return p, nil
		}
	}
}

// sample takes down how casbah is.
func (s *soak) sample(ctx context.Context) (p point, err error) {
	st, err := s.daemon.status(ctx)
	if err != nil {
		return p, err
	}
	p = point{at: time.Since(s.began), goroutines: st.Engine.Goroutines}
	if p.resident, err = s.daemon.resident(); err != nil {
		return p, err
	}
	p.files, err = s.daemon.files()
	return p, err
}

// exceeds returns what casbah has more of than it may.
func exceeds(first, now point) []string {
	var more []string
	for _, x := range []struct {
		name              string
		first, now, spare int
	}{
		{"sockets", first.files.sockets, now.files.sockets, spareSockets},
		{"pipes", first.files.pipes, now.files.pipes, sparePipes},
		{"other files", first.files.others, now.files.others, spareOthers},
		{"goroutines", first.goroutines, now.goroutines, spareGoroutines},
	} {
		if x.now > x.first+x.spare {
			more = append(more, fmt.Sprintf("%d %s; at the beginning it had %d", x.now, x.name, x.first))
		}
	}
	return more
}

// compare compares the last rest with the first, and looks at the trend.
func (s *soak) compare() {
	if len(s.points) < 2 {
		fmt.Fprintln(s.out, "too short for a comparison")
		return
	}
	first, last := s.points[0], s.points[len(s.points)-1]
	for _, x := range exceeds(first, last) {
		s.ledger.verdict("at rest casbah has %s", x)
	}
	fmt.Fprintf(s.out, "at rest, first and last of %d: RSS %.1f and %.1f MiB, %+v and %+v, goroutines %d and %d\n", len(s.points),
		mib(first.resident), mib(last.resident), first.files, last.files, first.goroutines, last.goroutines)
	if first.goroutines == 0 {
		s.ledger.breach("/api/v1/status does not tell of goroutines")
	}
	octets, ok := growth(s.points)
	if !ok {
		fmt.Fprintf(s.out, "no trend of memory: fewer than %d rests in the second half\n", leastPoints)
		return
	}
	if s.opts.race {
		fmt.Fprintf(s.out, "over the second half RSS grew by %.1f MiB, the race detector's included\n", mib(octets))
		return
	}
	fmt.Fprintf(s.out, "over the second half RSS grew by %.1f MiB, limit %.0f\n", mib(octets), mib(s.opts.growth))
	if octets > s.opts.growth {
		s.ledger.verdict("over the second half RSS grew by %.1f MiB; at most %.0f are allowed", mib(octets), mib(s.opts.growth))
	}
}

func mib(octets int64) float64 { return float64(octets) / (1 << 20) }

// progress writes a line every ten seconds until ctx ends.
func (s *soak) progress(ctx context.Context) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		resident, _ := s.daemon.resident() // 0 if it has ended
		fmt.Fprintf(s.out, "%v: %d actions, %d requests, %.0f MiB compared, RSS %.0f MiB, breaches %d\n", time.Since(s.began).Round(time.Second),
			s.ledger.actions(), s.ledger.requests.Load(), mib(s.ledger.octets.Load()), mib(resident), s.ledger.broken())
	}
}

// shared is a writer for several goroutines.
type shared struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

// Write implements io.Writer.
func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}
