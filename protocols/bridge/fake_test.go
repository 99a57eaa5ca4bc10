package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

var errReset = errors.New("connection reset")

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano()

// fake is a driver in memory, as sparing as the contract allows: it reports a
// Move only before a Tick and an End. The test plays the client and the servers.
type fake struct {
	t    testing.TB
	core engine.Core
	now  int64
	wake int64
	legs [2]*fakeLeg // 0 is the client, 1 the server; nil: closed
	last *fakeLeg    // the server that was dialled last

	manual bool                           // Dialed waits
	refuse func(e *balance.Endpoint) bool // connecting fails
	inCall bool                           // of the core
}

// fakeLeg is one connection, with what its peer does and sees.
type fakeLeg struct {
	id       engine.Leg
	endpoint *balance.Endpoint
	to       *fakeLeg // of the Move from here
	held     bool
	dialling bool
	half     bool
	moved    int64 // not reported yet

	sent    []byte // by the peer, all of it
	unread  []byte // of that, what the core has not used and the driver not moved
	offer   bool
	fin     bool // the peer has closed its half
	finTold bool
	gone    bool // the peer has reset

	got    []byte // by the peer
	gotFin bool
	gotRst bool
}

// call is one call of the core.
func (f *fake) call(fn func()) {
	if f.inCall {
		f.t.Fatal("the core is called within a call")
	}
	f.inCall = true
	fn()
	f.inCall = false
}

func (f *fake) over() bool { return f.legs[0] == nil }

// run reports what is due until nothing is.
func (f *fake) run() {
	for again := true; again; {
		again = false
		for i := range f.legs {
			if l := f.legs[i]; l != nil { // a step may close the other
				again = f.step(l) || again
			}
		}
	}
}

// step reports one thing that is due at l.
func (f *fake) step(l *fakeLeg) bool {
	unread := len(l.unread) > 0
	switch {
	case l.dialling:
		return !f.manual && f.dialed(l)
	case l.gone:
		f.reportMoves()
		f.call(func() { f.core.End(f.now, l.id, errReset, f) })
		if f.legs[l.id] == l {
			f.legs[l.id] = nil
		}
	case l.held:
		return false
	case unread && l.to != nil:
		if !l.to.half {
			l.to.got = append(l.to.got, l.unread...)
		}
		l.moved += int64(len(l.unread))
		l.unread = nil
	case unread && l.offer:
		l.offer = false
		p := bytes.Clone(l.unread)
		var used int
		f.call(func() { used = f.core.Bytes(f.now, l.id, p, f) })
		if !bytes.Equal(p, l.unread) {
			f.t.Fatalf("the core has rewritten %q to %q", l.unread, p)
		}
		l.unread = l.unread[used:]
	case l.fin && !l.finTold:
		l.finTold, l.to = true, nil
		f.reportMoves()
		f.call(func() { f.core.End(f.now, l.id, nil, f) })
	default:
		return false
	}
	return true
}

// dialed answers the Dial of l.
func (f *fake) dialed(l *fakeLeg) bool {
	l.dialling = false
	var err error
	if f.refuse != nil && f.refuse(l.endpoint) {
		err = errReset
		f.legs[l.id] = nil
	}
	f.call(func() { f.core.Dialed(f.now, l.id, false, err, f) })
	return true
}

func (f *fake) reportMoves() {
	for _, l := range f.legs {
		if l != nil && l.moved > 0 {
			n := l.moved
			l.moved = 0
			f.call(func() { f.core.Moved(f.now, l.id, n, f) })
		}
	}
}

// say is what the peer of l sends.
func (f *fake) say(l *fakeLeg, p []byte) {
	l.sent, l.unread, l.offer = append(l.sent, p...), append(l.unread, p...), true
	f.run()
}

// end is the peer of l closing its half.
func (f *fake) end(l *fakeLeg) {
	l.fin = true
	f.run()
}

// reset is the peer of l resetting its connection.
func (f *fake) reset(l *fakeLeg) {
	l.gone, l.unread, l.to = true, nil, nil
	f.run()
}

func (f *fake) tick(why engine.Cause) {
	f.reportMoves()
	f.call(func() { f.core.Tick(f.now, why, f) })
	f.run()
}

// pass lets time pass, with the ticks that are due.
func (f *fake) pass(d time.Duration) {
	to := f.now + int64(d)
	for f.wake != 0 && f.wake <= to && !f.over() {
		f.now = max(f.now, f.wake)
		f.wake = 0
		f.tick(engine.Deadline)
	}
	f.now = to
}

// leg returns a leg that the core may name.
func (f *fake) leg(id engine.Leg) *fakeLeg {
	if !f.inCall {
		f.t.Fatal("the core uses its driver outside of a call")
	}
	return f.legs[id]
}

// Send implements engine.Driver.
func (f *fake) Send(to engine.Leg, p []byte) bool {
	if l := f.leg(to); l != nil && !l.half {
		l.got = append(l.got, p...)
	}
	return false
}

// Hold implements engine.Driver.
func (f *fake) Hold(from engine.Leg, on bool) {
	if l := f.leg(from); l != nil && l.held != on {
		l.held = on
		l.offer = l.offer || !on
	}
}

// Move implements engine.Driver.
func (f *fake) Move(from, to engine.Leg, n int64) {
	l, t := f.leg(from), f.leg(to)
	if l == nil || t == nil || n != -1 || l.to != nil || l.finTold {
		f.t.Fatalf("Move(%d, %d, %d): %+v, %+v", from, to, n, l, t)
	}
	l.to = t
}

// Dial implements engine.Driver.
func (f *fake) Dial(e *balance.Endpoint, reuse bool) engine.Leg {
	if !f.inCall || f.legs[1] != nil || reuse || e.TLS != nil {
		f.t.Fatalf("Dial(%s, %v) beside %+v", e.Name, reuse, f.legs[1])
	}
	f.last = &fakeLeg{id: 1, endpoint: e, dialling: true}
	f.legs[1] = f.last
	return 1
}

// StartTLS implements engine.Driver.
func (f *fake) StartTLS(engine.Leg, bool) { f.t.Fatal("StartTLS") }

// Close implements engine.Driver.
func (f *fake) Close(id engine.Leg, how engine.How) {
	l := f.leg(id)
	if l == nil {
		return
	}
	if !l.dialling {
		l.gotFin = l.gotFin || how != engine.Reset
		l.gotRst = how == engine.Reset && !l.gone
	}
	switch how {
	case engine.Half:
		if l.half {
			f.t.Fatalf("leg %d is closed by halves twice", id)
		}
		l.half = true
	case engine.Park:
		f.t.Fatal("a bridged connection is parked")
	default:
		f.legs[id] = nil
		for _, from := range f.legs {
			if from != nil && from.to == l {
				from.to = nil
			}
		}
	}
}

// Wake implements engine.Driver.
func (f *fake) Wake(at int64) { f.wake = at }

// site is a VIP with its pool, as a test changes it.
type site struct {
	cur      route.Current
	vip      *route.VIP
	profile  *route.Profile
	services []*balance.Service
	records  []route.Record
	conn     engine.Conn
}

// newSite returns a VIP of three servers, chosen in turn, with those steps.
func newSite(tb testing.TB, steps ...persistence.Method) *site {
	tb.Helper()
	s := &site{
		conn:    engine.Conn{Remote: netip.MustParseAddrPort("198.51.100.7:40000"), Local: netip.MustParseAddrPort("192.0.2.10:443")},
		profile: &route.Profile{Name: "ews", IdleTimeout: 10 * time.Minute},
	}
	s.vip = &route.VIP{Name: "bridge", Counters: new(route.Counters), Profiles: []*route.Profile{s.profile}, HeaderTimeout: 30 * time.Second}
	s.vip.Log = func(r *route.Record) {
		c := *r
		c.Host = bytes.Clone(r.Host)
		s.records = append(s.records, c)
	}
	var err error
	if s.profile.Algorithm, err = balance.New("round_robin"); err != nil {
		tb.Fatal(err)
	}
	var servers balance.Servers
	var members []persistence.Member
	for i := range 3 {
		server := servers.Get(fmt.Sprintf("cas%d", i+1))
		service := &balance.Service{Server: server, Profile: "ews"}
		service.SetState(time.Unix(0, epoch), balance.Up)
		e := &balance.Endpoint{Server: server.ID, Name: server.Name, Target: "192.0.2.1:443"}
		s.services = append(s.services, service)
		s.profile.Candidates = append(s.profile.Candidates, balance.Candidate{Service: service, Endpoint: e, Weight: 100})
		members = append(members, persistence.Member{ID: server.ID, Name: server.Name, Endpoint: e})
	}
	conf := persistence.Config{
		Scope: "bridge", Table: persistence.NewTable(persistence.TableOptions{PerCore: 1000, Cores: 1}),
		Timeout: 2 * time.Minute, Fallback: true, Members: members,
	}
	for _, by := range steps {
		conf.Steps = append(conf.Steps, persistence.Step{By: by})
	}
	if s.profile.Chain, err = persistence.NewChain(conf); err != nil {
		tb.Fatal(err)
	}
	s.cur.Store(s.vip)
	return s
}

// open returns a client connection of s, which has said nothing yet.
func (s *site) open(tb testing.TB) *fake {
	tb.Helper()
	f := &fake{t: tb, now: epoch, core: New(&s.cur, s.conn), legs: [2]*fakeLeg{{}, nil}}
	f.tick(engine.Deadline)
	return f
}

// ended checks that f is over, with one record that says why.
func (s *site) ended(f *fake, end route.End) *route.Record {
	f.t.Helper()
	if !f.over() || f.legs[1] != nil {
		f.t.Fatalf("the connection is open: %+v, %+v", f.legs[0], f.legs[1])
	}
	if len(s.records) == 0 {
		f.t.Fatal("no access record")
	}
	r := &s.records[len(s.records)-1]
	if r.End != end {
		f.t.Errorf("ended by %v; want %v", r.End, end)
	}
	for _, svc := range s.services {
		if n := svc.Active.Load(); n != 0 {
			f.t.Errorf("%d connections to %s are counted as open", n, svc.Server.Name)
		}
	}
	return r
}

// received fails unless the peer of l got p.
func received(t *testing.T, l *fakeLeg, p ...[]byte) {
	t.Helper()
	if want := bytes.Join(p, nil); !bytes.Equal(l.got, want) {
		t.Errorf("leg %d got %x; want %x", l.id, l.got, want)
	}
}
