package http1

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

// fake is a driver in memory. The test plays the client and the servers; what
// the core sends is kept per leg.
type fake struct {
	t     testing.TB
	core  engine.Core
	now   int64
	wake  int64
	wakes int // calls of Wake
	woken int // calls of Awaken
	legs  map[engine.Leg]*fakeLeg
	log   []*fakeLeg // every upstream leg that was dialled, in order

	manual  bool                           // Dialed is called by the test
	refuse  func(e *balance.Endpoint) bool // connecting fails
	parked  map[*balance.Endpoint]bool     // a parked connection is there
	onSend  func(l *fakeLeg)               // a server that answers at once
	fullAt  int                            // Send answers full beyond that many octets since the last drain; 0: never
	running bool                           // a call of the core is going on
	pending []func()                       // what is due behind the call
}

type fakeLeg struct {
	id       engine.Leg
	endpoint *balance.Endpoint
	in       []byte // from the peer, not taken yet
	sent     []byte // to the peer
	queued   int    // of sent, since the last drain
	held     bool
	closed   bool
	how      engine.How
	half     bool
	gone     bool
	to       *fakeLeg // of a Move
	left     int64
	reused   bool // dialled with reuse
	tied     uint64
	eof      bool
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano()

func newFake(tb testing.TB, cur *route.Current, conn engine.Conn) *fake {
	tb.Helper()
	f := &fake{t: tb, now: epoch, core: New(cur, conn), parked: map[*balance.Endpoint]bool{}}
	f.legs = map[engine.Leg]*fakeLeg{engine.Client: {}}
	f.tick(0)
	return f
}

// call runs the core, then what it caused.
func (f *fake) call(fn func()) {
	if f.running {
		f.pending = append(f.pending, fn)
		return
	}
	f.running = true
	fn()
	f.running = false
	for len(f.pending) > 0 {
		next := f.pending[0]
		f.pending = f.pending[1:]
		f.call(next)
	}
}

func (f *fake) client() *fakeLeg { return f.legs[engine.Client] }

// last returns the upstream leg that was dialled last.
func (f *fake) last() *fakeLeg {
	f.t.Helper()
	if len(f.log) == 0 {
		f.t.Fatal("no server was dialled")
	}
	return f.log[len(f.log)-1]
}

// offer hands the core what has come in on l.
func (f *fake) offer(l *fakeLeg) {
	f.call(func() {
		switch {
		case l.closed || l.gone || len(l.in) == 0:
		case l.held:
		case l.to != nil:
			f.move(l)
		default:
			p := bytes.Clone(l.in) // the core may not keep it
			used := f.core.Bytes(f.now, l.id, p, f)
			if used < 0 || used > len(p) {
				f.t.Fatalf("Bytes used %d of %d octets", used, len(p))
			}
			for i := range p {
				p[i] = '!' // nor rely on it
			}
			l.in = l.in[used:]
			if l.to != nil {
				f.offer(l)
			}
		}
	})
}

// move carries out a Move as far as there are octets.
func (f *fake) move(l *fakeLeg) {
	n := int64(len(l.in))
	if l.left >= 0 {
		n = min(n, l.left)
		l.left -= n
	}
	l.to.sent = append(l.to.sent, l.in[:n]...)
	l.in = l.in[n:]
	if l.left == 0 {
		l.to = nil
	}
	f.core.Moved(f.now, l.id, n, f)
	if l.to == nil && len(l.in) > 0 {
		f.offer(l)
	}
}

// recv is what a peer sends.
func (f *fake) recv(l *fakeLeg, s string) {
	l.in = append(l.in, s...)
	f.offer(l)
}

func (f *fake) fromClient(s string) { f.recv(f.client(), s) }

// reply is what the server of the last leg sends.
func (f *fake) reply(s string) { f.t.Helper(); f.recv(f.last(), s) }

// end is the end of what a peer sends.
func (f *fake) end(l *fakeLeg, err error) {
	f.call(func() {
		if l.closed || l.gone {
			return
		}
		l.eof, l.to = true, nil
		if err != nil {
			l.gone = true
		}
		f.core.End(f.now, l.id, err, f)
		if err != nil && l.id != engine.Client && f.legs[l.id] == l {
			delete(f.legs, l.id)
		}
	})
}

var errReset = errors.New("connection reset")

// pass lets time pass, with the ticks that are due.
func (f *fake) pass(d time.Duration) {
	to := f.now + int64(d)
	for f.wake != 0 && f.wake <= to && !f.client().closed {
		f.now = max(f.now, f.wake)
		f.wake = 0
		f.tick(engine.Deadline)
	}
	f.now = to
}

func (f *fake) tick(why engine.Cause) { f.call(func() { f.core.Tick(f.now, why, f) }) }

// drain empties what was queued to l.
func (f *fake) drain(l *fakeLeg) {
	l.queued = 0
	f.call(func() {
		if !l.closed && !l.gone {
			f.core.Drained(f.now, l.id, f)
		}
	})
}

// take returns and forgets what was sent to l.
func (l *fakeLeg) take() string {
	s := string(l.sent)
	l.sent = nil
	return s
}

// Send implements engine.Driver.
func (f *fake) Send(to engine.Leg, p []byte) bool {
	l := f.legs[to]
	if l == nil || l.closed || l.gone {
		return false
	}
	l.sent = append(l.sent, p...)
	l.queued += len(p)
	if f.onSend != nil {
		f.onSend(l)
	}
	return f.fullAt > 0 && l.queued > f.fullAt
}

// Hold implements engine.Driver.
func (f *fake) Hold(from engine.Leg, on bool) {
	l := f.legs[from]
	if l == nil {
		return
	}
	was := l.held
	l.held = on
	if was && !on {
		f.offer(l)
	}
}

// Move implements engine.Driver.
func (f *fake) Move(from, to engine.Leg, n int64) {
	l := f.legs[from]
	if l.to != nil {
		f.t.Fatalf("a second Move from leg %d", from)
	}
	l.to, l.left = f.legs[to], n
	f.offer(l)
}

// Dial implements engine.Driver.
func (f *fake) Dial(e *balance.Endpoint, reuse bool) engine.Leg {
	l := &fakeLeg{id: 1, endpoint: e, reused: reuse}
	for f.legs[l.id] != nil {
		l.id++
	}
	f.legs[l.id] = l
	f.log = append(f.log, l)
	if !f.manual {
		f.call(func() { f.dialed(l) })
	}
	return l.id
}

// dialed answers the Dial of l.
func (f *fake) dialed(l *fakeLeg) {
	if l.closed {
		return
	}
	if f.refuse != nil && f.refuse(l.endpoint) {
		delete(f.legs, l.id)
		l.gone = true
		f.core.Dialed(f.now, l.id, false, errReset, f)
		return
	}
	reused := l.reused && f.parked[l.endpoint]
	f.core.Dialed(f.now, l.id, reused, nil, f)
	f.offer(l)
}

// StartTLS implements engine.Driver.
func (f *fake) StartTLS(engine.Leg, bool) { f.t.Fatal("StartTLS") }

// Close implements engine.Driver.
func (f *fake) Close(id engine.Leg, how engine.How) {
	l := f.legs[id]
	if l == nil {
		return
	}
	if how == engine.Half {
		l.half = true
		return
	}
	l.closed, l.how, l.to = true, how, nil
	if id != engine.Client {
		delete(f.legs, id)
		if how == engine.Park {
			f.parked[l.endpoint] = true
		}
	}
	for _, other := range f.legs {
		if other.to == l {
			other.to = nil
		}
	}
}

// Tie implements engine.Driver.
func (f *fake) Tie(id engine.Leg, owner uint64) uint64 {
	l := f.legs[id]
	if l == nil {
		return 0
	}
	tied := l.tied
	if tied == 0 {
		l.tied = owner
	}
	return tied
}

// Wake implements engine.Driver.
func (f *fake) Wake(at int64) {
	f.wake = at
	f.wakes++
}

// Waker implements engine.Driver.
func (f *fake) Waker() balance.Waker { return f }

// Awaken implements balance.Waker.
func (f *fake) Awaken() { f.woken++ }

// site is a VIP with its pool, as a test changes it.
type site struct {
	vip      *route.VIP
	cur      route.Current
	conn     engine.Conn
	records  []route.Record
	services []*balance.Service
}

// newSite makes a VIP with two servers, all services up, round robin, no chain.
func newSite(tb testing.TB, steps ...persistence.Step) *site {
	tb.Helper()
	s := &site{
		vip: &route.VIP{
			Name: "mail", HeadBytes: 16 << 10, RootRedirect: "/owa/",
			HeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
			Counters: new(route.Counters),
		},
		conn: engine.Conn{
			Remote: netip.MustParseAddrPort("198.51.100.7:40000"),
			Local:  netip.MustParseAddrPort("192.0.2.10:443"),
			Secure: true,
		},
	}
	s.vip.Log = func(r *route.Record) {
		k := *r
		k.Method, k.Host, k.Path = bytes.Clone(r.Method), bytes.Clone(r.Host), bytes.Clone(r.Path)
		s.records = append(s.records, k)
	}
	var servers balance.Servers
	var ends []*balance.Endpoint
	var members []persistence.Member
	for _, name := range []string{"cas1", "cas2"} {
		srv := servers.Get(name)
		ends = append(ends, &balance.Endpoint{Server: srv.ID, Name: name, Target: name + ":80"})
		members = append(members, persistence.Member{ID: srv.ID, Name: name})
	}
	sealer, err := persistence.NewSealer([]byte("secret"))
	if err != nil {
		tb.Fatal(err)
	}
	table := persistence.NewTable(persistence.TableOptions{PerCore: 1000, Cores: 1})
	for _, p := range []*route.Profile{
		{Name: "owa", Paths: []string{"/owa"}, WebSocket: true},
		{Name: "ews", Paths: []string{"/ews"}, Methods: []string{"GET", "POST"}},
		{Name: "oab", Paths: []string{"/oab"}, Reuse: true},
		{Name: "rpc", Paths: []string{"/rpc"}, Methods: []string{"RPC_IN_DATA", "RPC_OUT_DATA", "GET"}},
	} {
		p.Chain, err = persistence.NewChain(persistence.Config{
			Scope: "mail/" + p.Name, Steps: steps, Table: table, Timeout: time.Hour,
			Fallback: true, Members: members, Sealer: sealer,
		})
		if err != nil {
			tb.Fatal(err)
		}
		p.ResponseTimeout, p.IdleTimeout = time.Minute, 5*time.Minute
		p.Algorithm, _ = balance.New("round_robin")
		for _, e := range ends {
			svc := &balance.Service{Server: servers.ByID(e.Server), Profile: p.Name}
			svc.SetState(time.Unix(0, epoch), balance.Up)
			s.services = append(s.services, svc)
			p.Candidates = append(p.Candidates, balance.Candidate{Service: svc, Endpoint: e, Weight: 1})
		}
		s.vip.Profiles = append(s.vip.Profiles, p)
	}
	s.cur.Store(s.vip)
	return s
}

// profile returns the profile of that name.
func (s *site) profile(name string) *route.Profile {
	for _, p := range s.vip.Profiles {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// open returns a client connection of s.
func (s *site) open(tb testing.TB) *fake {
	tb.Helper()
	return newFake(tb, &s.cur, s.conn)
}

// record returns the access record that was written last.
func (s *site) record(t *testing.T) route.Record {
	t.Helper()
	if len(s.records) == 0 {
		t.Fatal("no access record")
	}
	return s.records[len(s.records)-1]
}

// idle checks that no request is counted as open any more.
func (s *site) idle(tb testing.TB) {
	tb.Helper()
	for _, svc := range s.services {
		if n := svc.Active.Load(); n != 0 {
			tb.Errorf("%s on %s: %d requests still open", svc.Profile, svc.Server.Name, n)
		}
	}
}
