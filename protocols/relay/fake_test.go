package relay

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

var errReset = errors.New("connection reset")

// fake is a driver in memory, as sparing as the contract allows: it reports a
// Move only before a Tick and an End. The test plays the client and the servers.
type fake struct {
	t    testing.TB
	core engine.Core
	now  int64
	wake int64
	legs [2]*fakeLeg // 0 is the client, 1 the server; nil: closed
	last *fakeLeg    // the server that was dialled last
	log  []*fakeLeg  // every leg that was dialled, in order

	speaks bool                           // the core may say or look at something
	manual bool                           // Dialed and Secured are called by the test
	refuse func(e *balance.Endpoint) bool // connecting fails
	wakes  int                            // calls of Wake
	woken  int                            // calls of Awaken
	full   *fakeLeg                       // Send answers full
	inCall bool                           // of the core
}

// fakeLeg is one connection, with what its peer does and sees.
type fakeLeg struct {
	id       engine.Leg
	endpoint *balance.Endpoint
	to       *fakeLeg // of the Move from here
	left     int64    // of it; -1: all
	shakes   bool     // StartTLS was called
	tls      bool     // and was answered
	dropped  int      // octets that it has discarded
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

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano()

func newFake(tb testing.TB, cur *Current, conn engine.Conn) *fake {
	tb.Helper()
	return &fake{t: tb, now: epoch, core: New(cur, conn), legs: [2]*fakeLeg{{}, nil}, speaks: cur.Load().Read != nil || cur.Load().Speaks != nil}
}

// open makes the connection open, and runs what follows.
func (f *fake) open() *fake {
	f.tick(engine.Deadline)
	return f
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

// over reports whether the core has closed the connection.
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
	case l.shakes:
		l.dropped += len(l.unread)
		l.unread = nil
		return !f.manual && f.secured(l, nil)
	case l.gone:
		f.reportMoves()
		f.call(func() { f.core.End(f.now, l.id, errReset, f) })
		if f.legs[l.id] == l {
			f.legs[l.id] = nil
		}
	case l.held && (unread || !l.fin || l.finTold): // a FIN with nothing unread before it is told all the same
		return false
	case unread && l.to != nil:
		f.moves(l)
	case unread && l.offer:
		l.offer = false
		f.offered(l)
	case l.fin && !l.finTold:
		l.finTold, l.to = true, nil
		f.reportMoves()
		f.call(func() { f.core.End(f.now, l.id, nil, f) })
	default:
		return false
	}
	return true
}

// moves moves what is unread at l.
func (f *fake) moves(l *fakeLeg) {
	n := int64(len(l.unread))
	if l.left >= 0 {
		n = min(n, l.left)
		l.left -= n
	}
	if !l.to.half {
		l.to.got = append(l.to.got, l.unread[:n]...)
	}
	l.moved += n
	l.unread = l.unread[n:]
	if l.left == 0 {
		l.to, l.offer = nil, true
		f.reportMoves()
	}
}

// secured answers the StartTLS of l.
func (f *fake) secured(l *fakeLeg, err error) bool {
	l.shakes, l.tls = false, err == nil
	if err != nil {
		f.legs[l.id] = nil
	}
	n := l.dropped
	l.dropped = 0
	f.call(func() { f.core.Secured(f.now, l.id, n, err, f) })
	return true
}

// offered offers what is unread at l. Nothing is rewritten in place.
func (f *fake) offered(l *fakeLeg) {
	p := bytes.Clone(l.unread)
	var used int
	f.call(func() { used = f.core.Bytes(f.now, l.id, p, f) })
	if !bytes.Equal(p, l.unread) || used > 0 && !f.speaks {
		f.t.Fatalf("of %q the core used %d octets, and left %q", l.unread, used, p)
	}
	l.unread = l.unread[used:]
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
func (f *fake) say(l *fakeLeg, text string) {
	l.sent, l.unread, l.offer = append(l.sent, text...), append(l.unread, text...), true
	f.run()
}

// sayOctets is say.
func (f *fake) sayOctets(l *fakeLeg, p []byte) { f.say(l, string(p)) }

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
	if int(id) >= len(f.legs) {
		f.t.Fatalf("leg %d was never opened", id)
	}
	return f.legs[id]
}

// Send implements engine.Driver.
func (f *fake) Send(to engine.Leg, p []byte) bool {
	if !f.speaks {
		f.t.Fatalf("a relay says %q of its own to leg %d", p, to)
	}
	l := f.leg(to)
	if l != nil && !l.half {
		l.got = append(l.got, p...)
	}
	return l != nil && l == f.full
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
	if l == nil || t == nil || n != -1 && (n <= 0 || !f.speaks) || l.to != nil {
		f.t.Fatalf("Move(%d, %d, %d): %+v, %+v", from, to, n, l, t)
	}
	if !l.finTold {
		l.to, l.left = t, n
	}
}

// Dial implements engine.Driver.
func (f *fake) Dial(e *balance.Endpoint, reuse bool) engine.Leg {
	if !f.inCall || f.legs[1] != nil || reuse || e.TLS != nil {
		f.t.Fatalf("Dial(%s, %v) beside %+v", e.Name, reuse, f.legs[1])
	}
	f.last = &fakeLeg{id: 1, endpoint: e, dialling: true}
	f.legs[1] = f.last
	f.log = append(f.log, f.last)
	return 1
}

// StartTLS implements engine.Driver.
func (f *fake) StartTLS(id engine.Leg, dropUnread bool) {
	l := f.leg(id)
	if !f.speaks || l == nil || l.shakes || l.tls || !dropUnread {
		f.t.Fatalf("StartTLS(%d, %v): %+v", id, dropUnread, l)
	}
	l.shakes, l.to = true, nil
}

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
		f.t.Fatal("a relayed connection is parked")
	default:
		f.legs[id] = nil
		for _, from := range f.legs {
			if from != nil && from.to == l {
				from.to = nil
				from.offer = true
			}
		}
	}
}

// Tie implements engine.Driver.
func (f *fake) Tie(engine.Leg, uint64) uint64 { f.t.Fatal("a relayed connection is tied"); return 0 }

// Wake implements engine.Driver.
func (f *fake) Wake(at int64) { f.wake, f.wakes = at, f.wakes+1 }

// Waker implements engine.Driver.
func (f *fake) Waker() balance.Waker { return f }

// Awaken implements balance.Waker.
func (f *fake) Awaken() { f.woken++ }

// site is a VIP with its pool, as a test changes it.
type site struct {
	vip      *route.VIP
	profile  *route.Profile
	cur      Current
	conn     engine.Conn
	records  []route.Record
	services []*balance.Service
}

// newSite makes a VIP with two servers that are up, round robin.
func newSite(tb testing.TB, steps ...persistence.Step) *site {
	tb.Helper()
	return siteOf(tb, []string{"cas1", "cas2"}, steps...)
}

// newBridge makes one that passes TLS on, with three servers.
func newBridge(tb testing.TB, steps ...persistence.Method) *site {
	tb.Helper()
	all := make([]persistence.Step, 0, len(steps))
	for _, by := range steps {
		all = append(all, persistence.Step{By: by})
	}
	s := siteOf(tb, []string{"cas1", "cas2", "cas3"}, all...)
	s.vip.HeaderTimeout = 30 * time.Second
	s.cur.Store(&VIP{VIP: s.vip, Read: ReadHello})
	return s
}

// siteOf makes a VIP with those servers, which are up, round robin.
func siteOf(tb testing.TB, names []string, steps ...persistence.Step) *site {
	tb.Helper()
	s := &site{
		profile: &route.Profile{Name: "rpc", IdleTimeout: 10 * time.Minute},
		conn: engine.Conn{
			Remote: netip.MustParseAddrPort("198.51.100.7:40000"),
			Local:  netip.MustParseAddrPort("192.0.2.10:59532"),
		},
	}
	s.vip = &route.VIP{Name: "relay", Counters: new(route.Counters), Profiles: []*route.Profile{s.profile}}
	s.vip.Log = func(r *route.Record) {
		c := *r
		c.Host = bytes.Clone(r.Host)
		s.records = append(s.records, c)
	}
	var servers balance.Servers
	var members []persistence.Member
	for _, name := range names {
		srv := servers.Get(name)
		svc := &balance.Service{Server: srv, Profile: "rpc"}
		svc.SetState(time.Unix(0, epoch), balance.Up)
		s.services = append(s.services, svc)
		members = append(members, persistence.Member{ID: srv.ID, Name: name})
		s.profile.Candidates = append(s.profile.Candidates, balance.Candidate{
			Service: svc, Weight: 1, Endpoint: &balance.Endpoint{Server: srv.ID, Name: name, Target: name + ":59532"},
		})
	}
	var err error
	if s.profile.Algorithm, err = balance.New("round_robin"); err != nil {
		tb.Fatal(err)
	}
	s.profile.Chain, err = persistence.NewChain(persistence.Config{
		Scope: "relay", Steps: steps, Table: persistence.NewTable(persistence.TableOptions{PerCore: 1000, Cores: 1}),
		Timeout: 2 * time.Minute, Fallback: true, Members: members,
	})
	if err != nil {
		tb.Fatal(err)
	}
	s.cur.Store(&VIP{VIP: s.vip})
	return s
}

// open returns a client connection of s, which has its server.
func (s *site) open(tb testing.TB) *fake {
	tb.Helper()
	return newFake(tb, &s.cur, s.conn).open()
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

// received fails unless the peer of l got text.
func received(t *testing.T, l *fakeLeg, text string) {
	t.Helper()
	if !bytes.Equal(l.got, []byte(text)) {
		t.Errorf("leg %d got %q; want %q", l.id, l.got, text)
	}
}

// receivedAll is received for what comes in parts.
func receivedAll(t *testing.T, l *fakeLeg, parts ...[]byte) {
	t.Helper()
	received(t, l, string(bytes.Join(parts, nil)))
}
