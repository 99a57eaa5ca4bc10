package relay

import (
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// limit has each server of s take one connection, and queue wait.
func (s *site) limit(queue int) {
	for _, svc := range s.services {
		svc.Server.SetLimit(balance.Limit{Max: 1, Queue: queue, Timeout: 5 * time.Second})
	}
}

// wake has f look, as the driver does that was told to wake it.
func (f *fake) wakeUp() {
	f.t.Helper()
	if f.woken == 0 {
		f.t.Fatal("the connection was not woken")
	}
	f.woken = 0
	f.call(func() { f.core.Tick(f.now, engine.Woken, f) })
}

// A client that is bound to a full server waits for it, whatever else is free, and
// goes there when there is a place.
func TestBoundClientWaitsForItsServer(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	s.limit(10)
	first := s.open(t)
	name := first.last.endpoint.Name
	second := newFake(t, &s.cur, s.conn)
	second.open()
	second.say(second.legs[0], "hello")
	if second.last != nil || second.wake == 0 {
		t.Fatalf("a second connection of the client dialled %v; want it to wait", second.last)
	}
	first.end(first.legs[0])
	first.end(first.last)
	second.now += int64(time.Second)
	second.wakeUp()
	second.run()
	if second.last == nil || second.last.endpoint.Name != name {
		t.Fatalf("behind its wait it dialled %+v; want %s", second.last, name)
	}
	received(t, second.last, "hello")
	second.end(second.legs[0])
	second.end(second.last)
	r := s.ended(second, route.EndDone)
	if r.Waited != int64(time.Second) || r.Server != name {
		t.Errorf("record: waited %d for %s; want a second for %s", r.Waited, r.Server, name)
	}
	if q := &s.services[0].Server.Queue; q.Served.Load()+s.services[1].Server.Queue.Served.Load() != 1 {
		t.Errorf("%d were counted to have waited; want 1", q.Served.Load())
	}
	s.idle(t)
}

// A client that nothing binds goes where there is room; where there is none, to
// the server that has a place first.
func TestUnboundClientTakesTheFirstPlace(t *testing.T) {
	s := newSite(t)
	s.limit(10)
	a, b := s.open(t), s.open(t)
	if a.last.endpoint == b.last.endpoint {
		t.Fatal("two clients are on one server, which takes one")
	}
	c := newFake(t, &s.cur, s.conn)
	c.open()
	if c.last != nil {
		t.Fatal("a third client was given a server, and all are full")
	}
	b.end(b.legs[0])
	b.end(b.last)
	c.wakeUp()
	c.run()
	if c.last == nil || c.last.endpoint != b.last.endpoint {
		t.Errorf("the third client is on %+v; want %s", c.last, b.last.endpoint.Name)
	}
	if n := s.services[0].Server.Waiting() + s.services[1].Server.Waiting(); n != 0 {
		t.Errorf("%d still wait", n)
	}
}

// Who waits too long, or finds no room to wait, is told so in the words of its
// protocol, or reset, and counted by the cause.
func TestClientOfAFullServerIsToldSo(t *testing.T) {
	for _, tt := range []struct {
		name  string
		queue int
		cause route.Cause
	}{{"time", 1, route.CauseQueueLate}, {"room", 0, route.CauseQueueFull}} {
		for _, speaks := range []*Protocol{nil, IMAP4(), POP3(), SMTP("casbah.example.org")} {
			s := newSite(t)
			s.limit(tt.queue)
			s.cur.Store(&VIP{VIP: s.vip, Speaks: speaks})
			others := []*fake{s.open(t), s.open(t)}
			f := newFake(t, &s.cur, s.conn)
			client := f.legs[0]
			f.open().pass(5 * time.Second)
			for _, o := range others {
				o.reset(o.legs[0])
			}
			s.records = s.records[:1]
			if speaks == nil && !client.gotRst {
				t.Errorf("%s: the client of a relay is not reset", tt.name)
			}
			if speaks != nil && (client.gotRst || !strings.Contains(string(client.got), "try again later\r\n")) {
				t.Errorf("%s: the client was told %q, reset: %v", tt.name, client.got, client.gotRst)
			}
			s.ended(f, route.EndFull)
			if got := s.vip.Counters.Refused[tt.cause].Load(); got != 1 {
				t.Errorf("%s: %d refused by %v; want 1", tt.name, got, tt.cause)
			}
			if n := s.services[0].Server.Waiting() + s.services[1].Server.Waiting(); n != 0 {
				t.Errorf("%s: %d still wait", tt.name, n)
			}
		}
	}
}

// A client that waits and goes, or whose casbah stops, waits no more.
func TestWhoWaitsMayGo(t *testing.T) {
	for name, end := range map[string]func(f *fake){
		"client": func(f *fake) { f.reset(f.legs[0]) },
		"drain":  func(f *fake) { f.call(func() { f.core.Tick(f.now, engine.Drain, f) }) },
		"kill":   func(f *fake) { f.call(func() { f.core.Tick(f.now, engine.Kill, f) }) },
	} {
		s := newSite(t)
		s.limit(10)
		a := s.open(t)
		s.open(t)
		f := newFake(t, &s.cur, s.conn)
		f.open()
		end(f)
		a.end(a.legs[0])
		a.end(a.last)
		if n := s.services[0].Server.Waiting() + s.services[1].Server.Waiting(); n != 0 || f.woken != 0 || !f.over() {
			t.Errorf("%s: %d still wait, woken %d times, over: %v", name, n, f.woken, f.over())
		}
		if c := s.open(t); c.last.endpoint != a.last.endpoint {
			t.Errorf("%s: the place is not free", name)
		}
	}
}

// The clients of a server that goes down while they wait go to another.
func TestServerOfAQueueGoesDown(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	s.limit(10)
	first := s.open(t)
	f := newFake(t, &s.cur, s.conn)
	f.open()
	for _, svc := range s.services {
		if svc.Server.Name == first.last.endpoint.Name {
			svc.SetState(time.Unix(0, epoch), balance.Down)
		}
	}
	f.now, f.wake = f.wake, 0
	f.call(func() { f.core.Tick(f.now, engine.Deadline, f) })
	f.run()
	if f.last == nil || f.last.endpoint == first.last.endpoint {
		t.Errorf("the client dialled %+v; want the other server", f.last)
	}
}

// What a connection that panics held of a server is free.
func TestFaultGivesThePlaceBack(t *testing.T) {
	s := newSite(t)
	s.limit(10)
	a, b, c, d := s.open(t), s.open(t), newFake(t, &s.cur, s.conn), newFake(t, &s.cur, s.conn)
	c.open()
	d.open()
	engine.Abandon(c.core) // while it waits
	engine.Abandon(a.core)
	d.wakeUp()
	d.run()
	if c.woken != 0 || d.last == nil || d.last.endpoint != a.last.endpoint {
		t.Errorf("woken %d times; the next is on %+v", c.woken, d.last)
	}
	engine.Abandon(b.core)
	engine.Abandon(d.core)
	s.idle(t)
}

// Datagrams do not wait.
func TestFlowOfAFullServer(t *testing.T) {
	s := newSite(t)
	s.limit(10)
	a, b, c := NewFlow(&s.cur, s.conn), NewFlow(&s.cur, s.conn), NewFlow(&s.cur, s.conn)
	if a.Choose(epoch) == nil || b.Choose(epoch) == nil || c.Choose(epoch) != nil {
		t.Fatal("two servers with a place each do not take two flows")
	}
	if got := s.vip.Counters.Refused[route.CauseQueueFull].Load(); got != 1 {
		t.Errorf("%d datagrams were refused; want 1", got)
	}
	a.Close(epoch, engine.Expired)
	if c.Choose(epoch) == nil {
		t.Error("the next datagram finds no server, and one is free")
	}
	engine.Abandon(b) // as after a fault
	engine.Abandon(c)
	s.idle(t)
}

// idle checks that nothing is counted as open any more.
func (s *site) idle(t *testing.T) {
	t.Helper()
	for _, svc := range s.services {
		if n := svc.Server.Active.Load(); n != 0 {
			t.Errorf("%s: %d still open", svc.Server.Name, n)
		}
	}
}
