package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"casbah/lab"
)

// holding is a run.
type holding struct {
	opts     *options
	out      io.Writer
	casbah   *casbah
	sessions []*session
	failures failures
}

// failures counts what went wrong, by what it was.
type failures struct {
	mu sync.Mutex // guards the field below
	by map[string]int
}

// add takes down the first thing that went wrong with a session.
func (f *failures) add(s *session, what string, err error) {
	if err == nil || s.lost {
		return
	}
	s.lost = true
	if op, ok := errors.AsType[*net.OpError](err); ok { // without its addresses
		what, err = what+": "+strings.TrimSuffix(err.Error(), op.Error())+op.Op, op.Err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = make(map[string]int)
	}
	f.by[fmt.Sprintf("%v: %s: %v", s, what, err)]++
}

// hold is the whole run; the error is that a rule was broken.
func hold(ctx context.Context, o *options, dir string, out io.Writer) error {
	array, err := lab.NewArray(lab.Options{Servers: 2, Mail: true}) //nolint:contextcheck // it ends by Close
	if err != nil {
		return err
	}
	defer array.Close()
	h := &holding{opts: o, out: out}
	if h.casbah, err = startCasbah(ctx, o, dir, array); err != nil {
		return err
	}
	defer h.casbah.kill()
	defer h.close()
	if err := h.fill(ctx); err != nil {
		return err
	}
	if err := h.idle(ctx); err != nil {
		return err
	}
	if err := h.stop(); err != nil {
		return err
	}
	return h.verdict()
}

func (h *holding) close() {
	for _, s := range h.sessions {
		_ = s.conn.Close()
	}
}

// fill opens all sessions, those in clear first, and states the memory of each.
// A few that come and go before, so that pages of the program and what is
// allocated once are not taken for theirs.
func (h *holding) fill(ctx context.Context) error {
	const warm = 64
	trust := &tls.Config{RootCAs: h.casbah.roots, ServerName: "localhost"}
	for _, kind := range []struct {
		name, address string
		trust         *tls.Config
		count         int
	}{
		{"clear", h.casbah.clear, nil, h.opts.conns - h.opts.conns/2},
		{"TLS", h.casbah.tls, trust, h.opts.conns / 2},
	} {
		few, err := openMany(ctx, warm, kind.address, kind.trust)
		for _, s := range few {
			_ = s.conn.Close()
		}
		if err != nil {
			return err
		}
		before, err := h.settled(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		list, err := openMany(ctx, kind.count, kind.address, kind.trust)
		h.sessions = append(h.sessions, list...)
		if err != nil {
			return err
		}
		took := time.Since(began)
		after, err := h.settled(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(h.out, "%s: %d sessions opened in %v, %.0f octets of resident memory each, %.0f of it not of files\n",
			kind.name, kind.count, took.Round(10*time.Millisecond), after.resident.per(before.resident, kind.count), after.anonymous.per(before.anonymous, kind.count))
	}
	return nil
}

// openMany opens sessions, every other one in IDLE.
func openMany(ctx context.Context, n int, address string, trust *tls.Config) ([]*session, error) {
	const together = 32
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	list := make([]*session, n)
	var next atomic.Int64
	var work sync.WaitGroup
	for range together {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				var err error
				if list[i], err = open(ctx, address, trust, i%2 == 0); err != nil {
					cancel(fmt.Errorf("session %d: %w", i, err))
				}
			}
		})
	}
	work.Wait()
	return slices.DeleteFunc(list, func(s *session) bool { return s == nil }), context.Cause(ctx)
}

// octets are of memory.
type octets int64

func (o octets) per(before octets, n int) float64 { return float64(o-before) / float64(n) }

type memory struct{ resident, anonymous octets }

// settled waits and returns the memory of casbah.
func (h *holding) settled(ctx context.Context) (memory, error) {
	if err := pause(ctx, h.opts.settle); err != nil {
		return memory{}, err
	}
	resident, anonymous, err := h.casbah.memory()
	return memory{octets(resident), octets(anonymous)}, err
}

func pause(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-over.C:
		return nil
	}
}

// idle has all sessions be silent for the time, and then answer once more.
func (h *holding) idle(ctx context.Context) error {
	first, err := h.settled(ctx)
	if err != nil {
		return err
	}
	until := time.Now().Add(h.opts.time)
	h.each(func(s *session) { h.failures.add(s, "dropped", s.rests(until)) })
	last, err := h.settled(ctx)
	if err != nil {
		return errors.Join(err, h.casbah.said())
	}
	fmt.Fprintf(h.out, "idle for %v: casbah has %.1f MB at first and %.1f MB at the end\n", h.opts.time, float64(first.resident)/1e6, float64(last.resident)/1e6)
	h.each(func(s *session) { h.failures.add(s, "no answer at the end", s.works()) })
	return ctx.Err()
}

// each has all sessions do something at the same time.
func (h *holding) each(do func(*session)) {
	var work sync.WaitGroup
	for _, s := range h.sessions {
		work.Go(func() { do(s) })
	}
	work.Wait()
}

// stop has casbah stop, and looks at how it takes leave of the sessions.
func (h *holding) stop() error {
	var mu sync.Mutex // guards byes
	var byes []time.Duration
	stopped := time.Now()
	if err := h.casbah.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	h.each(func(s *session) {
		l := s.leaves(stopped)
		_ = s.conn.Close()
		h.failures.add(s, "at the stop", l.err)
		if l.err == nil {
			mu.Lock()
			byes = append(byes, l.bye)
			mu.Unlock()
		}
	})
	fmt.Fprintf(h.out, "stop: BYE and the end to %d of %d sessions", len(byes), len(h.sessions))
	if len(byes) > 0 {
		slices.Sort(byes)
		fmt.Fprintf(h.out, ", half of them within %v, the last after %v", byes[len(byes)/2].Round(time.Millisecond), byes[len(byes)-1].Round(time.Millisecond))
	}
	fmt.Fprintln(h.out)
	return h.casbah.exits(patience)
}

// verdict tells what went wrong.
func (h *holding) verdict() error {
	var list []error
	for _, what := range slices.Sorted(maps.Keys(h.failures.by)) {
		list = append(list, fmt.Errorf("%d sessions %s", h.failures.by[what], what))
	}
	if len(list) == 0 {
		fmt.Fprintf(h.out, "%d sessions, none dropped\n", len(h.sessions))
	}
	return errors.Join(list...)
}
