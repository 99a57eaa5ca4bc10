package persistence

import (
	"errors"
	"fmt"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
)

// Chain is an ordered list of steps. It is immutable but for its table, and safe
// for concurrent use.
type Chain struct {
	steps    []step
	names    []string // of the steps, for explanations
	scope    string   // who shares its bindings
	table    *Table
	idle     span
	strict   bool
	fallback bool
	full     fullness
	members  []Member
	owns     []string // names of the cookies that the chain sets itself
	issues   bool     // insert_cookie is among the steps
	sharing  sharing

	placement *Placement // nil: nobody asks where mailboxes are
}

// NewChain builds a chain. An error names what of the configuration cannot be.
func NewChain(cfg Config) (*Chain, error) {
	if len(cfg.Steps) > MaxSteps {
		return nil, fmt.Errorf("chain: want at most %d steps, got %d", MaxSteps, len(cfg.Steps))
	}
	c := &Chain{
		scope: cfg.Scope, table: cfg.Table, idle: newSpan(cfg.Timeout), full: fullness{cfg.Full, cfg.Pressure},
		strict: cfg.Strict, fallback: cfg.Fallback, members: cfg.Members,
		sharing: newSharing(&cfg), placement: cfg.Placement,
	}
	for i, s := range cfg.Steps {
		built, err := newStep(&cfg, s)
		if err != nil {
			return nil, fmt.Errorf("chain: step %d: %w", i+1, err)
		}
		if methods[s.By].bound && (cfg.Table == nil || cfg.Timeout < time.Second) {
			return nil, fmt.Errorf("chain: step %d: %s: %w", i+1, s.By, errNoTable)
		}
		c.steps = append(c.steps, built)
		c.names = append(c.names, stepName(s))
		c.issues = c.issues || s.By == InsertCookie
	}
	c.owns = numberOwn(c.steps)
	return c, nil
}

var errNoTable = errors.New("want a table and a timeout of at least 1s")

func stepName(s Step) string {
	if s.Name == "" {
		return s.By.String()
	}
	return s.By.String() + " " + s.Name
}

// StepName returns the name of step i, such as "cookie UserContext"; empty if
// there is no such step.
func (c *Chain) StepName(i int) string {
	if i < 0 || i >= len(c.names) {
		return ""
	}
	return c.names[i]
}

// Identity reports whether step i tells who the client is.
func (c *Chain) Identity(i int) bool { return i >= 0 && i < len(c.steps) && c.steps[i].identity }

// Walk reads the keys of r and finds the candidate. It changes nothing but w.
// Now is in Unix nanoseconds, here and below.
func (c *Chain) Walk(now int64, r *Request, s Standings, w *Walk) {
	*w = Walk{By: -1, at: seconds(now)}
	k := walker{chain: c, sec: w.at, request: r, standings: s, walk: w}
	for i := range c.steps {
		k.step = i
		k.read(&c.steps[i])
	}
	w.anybody = r.Head != nil && servesAnybody(r.Head.Path)
	c.crowd(w, r)
	c.judge(w)
	if c.placement != nil {
		c.placement.read(c, r, w)
	}
}

// Bind makes id, which was chosen for the request that w is of, the server of
// every key that has no live binding or one to a server that is gone; a shared
// address is left out. Bindings
// to id are refreshed. One to another usable server is never moved, and ages
// while it is not used.
func (c *Chain) Bind(now int64, w *Walk, id balance.ServerID) {
	sec := seconds(now)
	w.served = id
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		if rd.Key.IsZero() || rd.own != notOwn || rd.Use == Shared || rd.Server == 0 && !c.bindsOnRequest(w, rd) {
			continue
		}
		c.claim(sec, w, rd, rd.Confirmed || !c.steps[rd.Step].identity)
	}
	c.note(sec, w)
}

// claim binds the key of rd to the server that serves the request, if no live
// binding is in the way.
func (c *Chain) claim(sec uint32, w *Walk, rd *Reading, confirmed bool) {
	idle := c.idle
	if c.isVirtual(rd) {
		idle = min(idle, newSpan(virtualLife))
	}
	o := order{key: rd.Key, word: newWord(w.served, sec, confirmed, idle), full: c.full}
	switch {
	case rd.Server != 0 && !c.usable(rd):
		o.from = rd.Server
	case rd.Server != 0 && rd.Server != w.served:
		return
	}
	got := c.table.bind(&o)
	rd.inUse = got.server() == w.served
	w.outpaced = w.outpaced || got != 0 && !rd.inUse && c.isVirtual(rd)
	rd.Confirmed = rd.inUse && got.confirmed()
}

// Touch keeps the bindings that the request uses alive while it is open. It is
// to be called at least once a minute, and at the end.
func (c *Chain) Touch(now int64, w *Walk) {
	for i := range w.Readings[:w.N] {
		if rd := &w.Readings[i]; rd.inUse {
			c.table.touch(seconds(now), rd.Key, w.served)
		}
	}
	c.note(seconds(now), w)
}

// Learn takes in the head of the final response that id gave, whatever its
// status: cookies that the server sets are bound to it or, deleted, set free; an
// answer of success confirms who the client says it is, unless anybody gets it
// (servesAnybody). It appends to lines the
// header lines that are to be added to the response.
func (c *Chain) Learn(now int64, w *Walk, id balance.ServerID, resp *httphead.Response, lines []byte) []byte {
	w.served = id
	if resp.Status/100 == 2 && !w.anybody {
		c.confirm(seconds(now), w)
		if w.noted == 0 {
			c.note(seconds(now), w)
		}
	}
	c.watchClashes(w, resp)
	for i := range c.steps {
		switch s := &c.steps[i]; s.by {
		case Cookie:
			c.learnCookies(now, w, i, resp)
			lines = c.accompany(now, w, i, resp, lines)
		case InsertCookie:
			lines = c.insertCookie(now, w, i, lines)
		default:
		}
	}
	return lines
}

// confirm confirms the keys that only an answer of success can.
func (c *Chain) confirm(sec uint32, w *Walk) {
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		if c.steps[rd.Step].identity && c.bindsOnRequest(w, rd) && !rd.Key.IsZero() && !rd.Confirmed {
			c.claim(sec, w, rd, true)
		}
	}
}
