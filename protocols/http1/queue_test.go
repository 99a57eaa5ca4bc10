package http1

import (
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// limit has each server of s take most requests, and queue wait.
func (s *site) limit(most, queue int) {
	for _, svc := range s.services {
		svc.Server.SetLimit(balance.Limit{Max: most, Queue: queue, Timeout: 5 * time.Second})
	}
}

// waiting returns how many requests wait for a place.
func (s *site) waiting() int {
	servers := make(map[*balance.Server]int)
	for _, svc := range s.services {
		servers[svc.Server] = svc.Server.Waiting()
	}
	n := 0
	for _, waiting := range servers {
		n += waiting
	}
	return n
}

// wakeUp has f look, as the driver does that was told to wake it.
func (f *fake) wakeUp() {
	f.t.Helper()
	if f.woken == 0 {
		f.t.Fatal("the connection was not woken")
	}
	f.woken = 0
	f.tick(engine.Woken)
}

const (
	getOWA = "GET /owa/ HTTP/1.1\r\nHost: mail\r\n\r\n"
	short  = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

// A request that is bound to a full server waits for it, its body in the client's
// socket, and is sent there when there is a place.
func TestBoundRequestWaitsForItsServer(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	s.limit(1, 10)
	a, b := s.open(t), s.open(t)
	a.fromClient(getOWA)
	name := a.last().endpoint.Name
	b.fromClient("POST /owa/ HTTP/1.1\r\nHost: mail\r\nContent-Length: 5\r\n\r\n")
	if len(b.log) != 0 || s.waiting() != 1 || !b.client().held {
		t.Fatalf("dialled %d servers, %d wait, held: %v; want the request to wait", len(b.log), s.waiting(), b.client().held)
	}
	b.client().in = append(b.client().in, "hello"...)
	a.reply(short)
	b.now += int64(time.Second)
	b.wakeUp()
	if got := string(b.last().sent); b.last().endpoint.Name != name || !strings.HasSuffix(got, "\r\n\r\nhello") {
		t.Fatalf("%s was sent %q; want the request whole at %s", b.last().endpoint.Name, got, name)
	}
	b.reply(short)
	if r := s.record(t); r.Waited != int64(time.Second) || r.Why != "bound" || r.End != route.EndDone {
		t.Errorf("record %+v; want one that waited for a second and was bound", r)
	}
	b.fromClient(getOWA)
	b.reply(short)
	if r := s.record(t); r.Waited != 0 || r.Status != 200 {
		t.Errorf("the next request: waited %d, status %d", r.Waited, r.Status)
	}
	s.idle(t)
}

// Who waits too long, or finds no room to wait, is told 503 and when to come again.
// The connection is kept.
func TestRequestOfAFullServerIsToldSo(t *testing.T) {
	for _, tt := range []struct {
		name  string
		queue int
		cause route.Cause
	}{{"time", 1, route.CauseQueueLate}, {"room", 0, route.CauseQueueFull}} {
		s := newSite(t)
		s.limit(1, tt.queue)
		a, b, c := s.open(t), s.open(t), s.open(t)
		a.fromClient(getOWA)
		b.fromClient(getOWA)
		c.fromClient(getOWA)
		c.pass(5*time.Second - 1)
		if got := c.client().take(); tt.queue > 0 && got != "" {
			t.Errorf("%s: answered %q before its time", tt.name, got)
		} else if tt.queue > 0 {
			c.pass(1)
			got = c.client().take()
			if !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "\r\nRetry-After: 10\r\n") {
				t.Errorf("%s: answered %q", tt.name, got)
			}
		} else if !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "\r\nRetry-After: 10\r\n") {
			t.Errorf("%s: answered %q", tt.name, got)
		}
		if r := s.record(t); r.End != route.EndFull || r.Status != 503 || s.vip.Counters.Refused[tt.cause].Load() != 1 {
			t.Errorf("%s: record %+v, %d refused by %v", tt.name, r, s.vip.Counters.Refused[tt.cause].Load(), tt.cause)
		}
		a.reply(short)
		c.fromClient(getOWA)
		c.reply(short)
		if got := c.client().take(); got != short {
			t.Errorf("%s: the next request of the connection got %q", tt.name, got)
		}
		b.reply(short)
		s.idle(t)
	}
}

// pinned returns a client connection with one that carries an identity, at rest,
// while another client has the server's place.
func (s *site) pinnedFull(t *testing.T) (f, other *fake, up *fakeLeg) {
	t.Helper()
	f, other = s.open(t), s.open(t)
	f.fromClient("GET /owa/ HTTP/1.1\r\nHost: mail\r\nAuthorization: NTLM TlRMTVNTUAAB\r\n\r\n")
	up = f.last()
	f.reply(short)
	f.client().take()
	up.sent = nil
	s.limit(1, 10)
	other.fromClient(getOWA)
	if other.last().endpoint != up.endpoint {
		other.reply(short)
		other.fromClient(getOWA)
	}
	if other.last().endpoint != up.endpoint {
		t.Fatal("the servers do not take turns")
	}
	f.fromClient(getOWA)
	if len(up.sent) != 0 || s.waiting() != 1 {
		t.Fatalf("sent %q, %d wait; want the request to wait for its connection", up.sent, s.waiting())
	}
	return f, other, up
}

// A request whose connection carries an identity waits for that connection.
func TestPinnedRequestWaits(t *testing.T) {
	s := newSite(t)
	f, other, up := s.pinnedFull(t)
	other.reply(short)
	f.wakeUp()
	if !strings.HasPrefix(string(up.sent), "GET /owa/") || len(f.log) != 1 {
		t.Fatalf("the connection was sent %q, and %d were dialled", up.sent, len(f.log))
	}
	f.recv(up, short)
	if got := f.client().take(); got != short {
		t.Errorf("answered %q", got)
	}
	s.idle(t)
}

// It does so, too, while its server is drained firmly, which lets it finish there.
func TestPinnedRequestWaitsUnderAFirmDrain(t *testing.T) {
	s := newSite(t)
	f, other, up := s.pinnedFull(t)
	for _, svc := range s.services {
		if svc.Server.ID == up.endpoint.Server {
			svc.SetOrder(time.Unix(0, epoch), balance.Order{Kind: balance.OrderFirm, Since: epoch})
		}
	}
	f.tick(engine.Woken) // as of any order
	f.pass(250 * time.Millisecond)
	if s.waiting() != 1 || f.client().closed {
		t.Fatalf("%d wait, closed: %v; want it to wait on", s.waiting(), f.client().closed)
	}
	other.reply(short)
	f.wakeUp()
	f.recv(up, short)
	if got := f.client().take(); !strings.HasSuffix(got, "\r\n\r\nok") {
		t.Errorf("answered %q", got)
	}
	s.idle(t)
}

// Where that connection ends meanwhile, so does the client's: the request goes
// nowhere else.
func TestPinnedConnectionEndsInTheQueue(t *testing.T) {
	for name, end := range map[string]func(f *fake, up *fakeLeg){
		"fin":    func(f *fake, up *fakeLeg) { f.end(up, nil) },
		"reset":  func(f *fake, up *fakeLeg) { f.end(up, errReset) },
		"octets": func(f *fake, up *fakeLeg) { f.recv(up, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
	} {
		s := newSite(t)
		f, other, up := s.pinnedFull(t)
		end(f, up)
		if !f.client().closed || f.client().take() != "" || len(f.log) != 1 || s.waiting() != 0 {
			t.Errorf("%s: closed: %v, dialled %d, %d wait", name, f.client().closed, len(f.log), s.waiting())
		}
		other.reply(short)
		if f.woken != 0 {
			t.Errorf("%s: woken when it is over", name)
		}
		s.idle(t)
	}
}

// A client that goes while it waits, waits no more, and its place is the next one's.
func TestClientGoesWhileItWaits(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	s.limit(1, 10)
	a, b, c := s.open(t), s.open(t), s.open(t)
	a.fromClient(getOWA)
	b.fromClient(getOWA)
	c.fromClient(getOWA)
	a.reply(short)
	if b.woken != 1 || c.woken != 0 {
		t.Fatalf("woken %d and %d times; want the first alone", b.woken, c.woken)
	}
	b.end(b.client(), errReset) // with the place that it was given
	c.wakeUp()
	c.reply(short)
	if got := c.client().take(); got != short {
		t.Errorf("answered %q", got)
	}
	s.idle(t)
}

// A request that waits goes on while casbah drains, and is cut off by kill.
func TestQueueWhileCasbahStops(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	s.limit(1, 10)
	a, b, c := s.open(t), s.open(t), s.open(t)
	a.fromClient(getOWA)
	b.fromClient(getOWA)
	c.fromClient(getOWA)
	b.tick(engine.Drain)
	c.tick(engine.Kill)
	a.reply(short)
	b.wakeUp()
	b.reply(short)
	if got := b.client().take(); !strings.Contains(got, "Connection: close") || !b.client().closed {
		t.Errorf("answered %q, closed: %v", got, b.client().closed)
	}
	if !c.client().closed || s.waiting() != 0 {
		t.Errorf("closed: %v, %d wait", c.client().closed, s.waiting())
	}
	s.idle(t)
}

// A limit that is raised, or taken away, holds for who waits already.
func TestLimitIsRaisedForTheQueue(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	s.limit(1, 10)
	a, b := s.open(t), s.open(t)
	a.fromClient(getOWA)
	b.fromClient(getOWA)
	s.limit(0, 0)
	b.pass(250 * time.Millisecond)
	b.reply(short)
	if got := b.client().take(); got != short {
		t.Errorf("answered %q", got)
	}
	a.reply(short)
	s.idle(t)
}

// What waits is not woken by others in vain: a request that is over, or is under
// way, makes nothing of it.
func TestIdleWakeUpDoesNothing(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.tick(engine.Woken)
	f.fromClient(getOWA)
	f.tick(engine.Woken)
	f.reply(short)
	if got := f.client().take(); got != short || len(f.log) != 1 {
		t.Errorf("answered %q with %d servers dialled", got, len(f.log))
	}
}

// What a connection that panics held of a server is free, be it a place or its turn.
func TestFaultGivesThePlaceBack(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	s.limit(1, 10)
	a, b, c := s.open(t), s.open(t), s.open(t)
	a.fromClient(getOWA)
	b.fromClient(getOWA)
	c.fromClient(getOWA)
	engine.Abandon(b.core) // while it waits
	engine.Abandon(a.core)
	if b.woken != 0 {
		t.Error("who is gone was woken")
	}
	c.wakeUp()
	c.reply(short)
	if got := c.client().take(); got != short {
		t.Errorf("answered %q", got)
	}
	s.idle(t)
}
