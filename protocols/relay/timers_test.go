package relay

import (
	"net/netip"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// Silence in both directions ends a connection after the profile's idle time,
// with a reset: a FIN would say that the other side has ended.
func TestIdle(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	client := f.legs[0]
	f.pass(10*time.Minute - 1)
	if f.over() {
		t.Fatal("over before its time")
	}
	f.pass(1)
	if !client.gotRst || !f.last.gotRst {
		t.Errorf("client %+v, server %+v; want resets", client, f.last)
	}
	s.ended(f, route.EndIdle)
}

// Octets in either direction, and nothing else, put the end off.
func TestOctetsPutTheIdleEndOff(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	client, server := f.legs[0], f.last
	for i := range 20 {
		f.pass(8 * time.Minute)
		from := client
		if i%2 == 1 {
			from = server
		}
		if f.over() {
			t.Fatalf("over after %d times 8 minutes", i+1)
		}
		f.say(from, "x")
	}
	f.end(client) // a FIN is no octet
	last := f.now
	for !f.over() && f.now < last+int64(time.Hour) {
		f.pass(time.Second)
	}
	s.ended(f, route.EndIdle)
	// The driver tells of octets once a minute, so that it may be that much later.
	if after := time.Duration(f.now - last); after < 10*time.Minute || after > 11*time.Minute {
		t.Errorf("over %v after the last octet; want 10 to 11 minutes", after)
	}
}

// An idle time of less than a minute is never shorter than it says.
func TestShortIdle(t *testing.T) {
	s := newSite(t)
	s.profile.IdleTimeout = 5 * time.Second
	f := s.open(t)
	f.pass(4 * time.Second)
	f.say(f.legs[0], "x")
	for last := f.now; !f.over(); f.pass(100 * time.Millisecond) {
		if after := time.Duration(f.now - last); after > 10*time.Second {
			t.Fatalf("open %v after the last octet", after)
		}
	}
	if r := s.ended(f, route.EndIdle); r.Finish < epoch+int64(9*time.Second) {
		t.Errorf("over after %v; want 5s behind an octet at 4s", r.Elapsed())
	}
}

func TestNoIdleTime(t *testing.T) {
	s := newSite(t)
	s.profile.IdleTimeout = 0
	f := s.open(t)
	f.pass(100 * time.Hour)
	if f.over() {
		t.Error("over without an idle time")
	}
}

// Traffic moves no deadline: the driver is told once a minute.
func TestTrafficSetsNoTimers(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	before := f.wakes
	for range 1000 {
		f.pass(10 * time.Millisecond)
		f.say(f.legs[0], "x")
		f.reportMoves()
	}
	if f.wakes != before {
		t.Errorf("the deadline was set %d times in 10 seconds of traffic; want 0", f.wakes-before)
	}
}

// The time of a dial is the driver's affair; a late alarm means nothing.
func TestTickDuringTheDial(t *testing.T) {
	s := newSite(t)
	f := newFake(t, &s.cur, s.conn)
	f.manual = true
	f.open()
	f.now += int64(time.Hour)
	f.tick(engine.Deadline)
	if f.over() || f.wakes != 0 {
		t.Errorf("over %v, %d deadlines set; want neither", f.over(), f.wakes)
	}
}

// S1, S22 to S25: a client address keeps its server while the binding lives,
// against the turn of the others.
func TestSourceAddressKeepsItsServer(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	home := s.open(t).last.endpoint.Name
	s.conn.Remote = netip.MustParseAddrPort("198.51.100.8:1")
	if other := s.open(t).last.endpoint.Name; other == home {
		t.Fatalf("two addresses on %s; want them in turn", home)
	}
	for port := range uint16(10) {
		s.conn.Remote = netip.AddrPortFrom(netip.MustParseAddr("::ffff:198.51.100.7"), port+1)
		f := s.open(t)
		if got := f.last.endpoint.Name; got != home {
			t.Errorf("connection %d goes to %s; want %s", port, got, home)
		}
		f.end(f.legs[0])
		f.end(f.last)
		if r := s.records[len(s.records)-1]; r.Step != "source_ip" || r.Why != "bound" {
			t.Errorf("decided by %q, %q; want source_ip, bound", r.Step, r.Why)
		}
	}
}

// S26: the server that took over stays, also when the first comes back.
func TestServerThatTookOverStays(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	first := s.open(t)
	for _, svc := range s.services {
		if svc.Server.Name == first.last.endpoint.Name {
			svc.SetState(time.Unix(0, epoch), balance.Down)
			defer svc.SetState(time.Unix(0, epoch), balance.Up)
		}
	}
	second := s.open(t).last.endpoint.Name
	if second == first.last.endpoint.Name {
		t.Fatalf("a new connection goes to %s, which is down", second)
	}
	for _, svc := range s.services {
		svc.SetState(time.Unix(0, epoch), balance.Up)
	}
	for range 4 {
		if got := s.open(t).last.endpoint.Name; got != second {
			t.Errorf("after the return it goes to %s; want %s", got, second)
		}
	}
	f := first // what was open stays open
	f.say(f.legs[0], "x")
	received(t, f.last, "x")
}

// S35: an open connection keeps the binding, however silent; closed, it ages.
func TestOpenConnectionKeepsTheBinding(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP}) // bindings last 2 minutes
	why := func(now int64) string {
		f := newFake(t, &s.cur, s.conn)
		f.now = now
		f.open().reset(f.legs[0])
		return s.records[len(s.records)-1].Why
	}
	f := s.open(t)
	f.pass(9 * time.Minute)
	if got := why(f.now); got != "bound" {
		t.Errorf("after 9 minutes of an open connection: %s; want bound", got)
	}
	f.pass(time.Minute)
	s.ended(f, route.EndIdle)
	if got := why(f.now + int64(4*time.Minute)); got != "fresh" {
		t.Errorf("4 minutes after its end: %s; want fresh", got)
	}
}

// least_conn sees a connection as long as it is open.
func TestOpenConnectionsAreCounted(t *testing.T) {
	s := newSite(t)
	s.profile.Algorithm, _ = balance.New("least_conn")
	var open []*fake
	for range 6 {
		open = append(open, s.open(t))
	}
	if a, b := s.services[0].Active.Load(), s.services[1].Active.Load(); a != 3 || b != 3 {
		t.Fatalf("%d and %d are open; want 3 and 3", a, b)
	}
	for _, f := range open {
		if f.last.endpoint.Name == "cas1" {
			f.reset(f.legs[0])
		}
	}
	for range 3 {
		if got := s.open(t).last.endpoint.Name; got != "cas1" {
			t.Errorf("a new connection goes to %s; want cas1, which has fewer", got)
		}
	}
}
