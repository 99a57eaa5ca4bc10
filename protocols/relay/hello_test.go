package relay

import (
	"bytes"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/internal/hello"
	"casbah/internal/hello/hellotest"
	"casbah/persistence"
	"casbah/route"
)

// one puts a message into one record.
func one(message []byte) []byte { return hellotest.Records(message, 1<<14) }

var (
	session  = bytes.Repeat([]byte{0x51}, 32)
	unnamed  = one(hellotest.Client(nil))
	flight   = one(append(hellotest.Server(session), "\x0b\x00\x00\x03\x00\x00\x00"...)) // a certificate follows in the record
	greeting = one(hellotest.Client(nil, hellotest.Host("mail.example.org"), hellotest.Offers()))
)

// Whatever the pieces, the server gets the octets of the client and the client
// those of the server, unchanged and in order, and nobody is dialled before the
// hello is whole.
func TestBridgedOctetsPassUnchanged(t *testing.T) {
	for _, steps := range [][]persistence.Method{nil, {persistence.SourceIP}, {persistence.SSLID}} {
		for _, n := range []int{1, 7, 1 << 14} {
			s := newBridge(t, steps...)
			f := s.open(t)
			client := f.legs[0]
			said := hellotest.Records(hellotest.Client(session, hellotest.Host("Mail.Example.org")), 11)
			for rest := said; len(rest) > 0; rest = rest[min(n, len(rest)):] {
				if f.last != nil {
					t.Fatalf("a server is dialled with %d octets of the hello missing", len(rest))
				}
				f.sayOctets(client, rest[:min(n, len(rest))])
			}
			receivedAll(t, f.last, said)
			f.sayOctets(client, []byte("early data"))
			for rest := flight; len(rest) > 0; rest = rest[min(n, len(rest)):] {
				f.sayOctets(f.last, rest[:min(n, len(rest))])
				receivedAll(t, client, flight[:len(flight)-len(rest)+min(n, len(rest))])
			}
			f.sayOctets(f.last, []byte("more"))
			receivedAll(t, f.last, said, []byte("early data"))
			receivedAll(t, client, flight, []byte("more"))
			f.end(client)
			if !f.last.gotFin || f.over() {
				t.Fatalf("server saw a FIN: %v, over: %v; want true, false", f.last.gotFin, f.over())
			}
			f.sayOctets(f.last, []byte("bye"))
			f.end(f.last)
			r := s.ended(f, route.EndDone)
			if in, out := int64(len(said)+10), int64(len(flight)+7); r.In != in || r.Out != out || s.vip.Counters.Out.Load() != uint64(out) || s.vip.Counters.In.Load() != uint64(in) {
				t.Errorf("record %d in, %d out, counted %d, %d; want %d, %d", r.In, r.Out, s.vip.Counters.In.Load(), s.vip.Counters.Out.Load(), in, out)
			}
			if string(r.Host) != "mail.example.org" || r.Server == "" || r.Attempts != 1 || !r.Relayed {
				t.Errorf("record %+v", r)
			}
		}
	}
}

// What is not a hello, or asks for what is not served, is refused by an alert.
func TestHelloRefusals(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hosts []string
		say   []byte
		end   bool
		alert hello.Alert
		cause route.Cause
	}{
		{"http", nil, []byte("GET / HTTP/1.1\r\n\r\n"), false, hello.DecodeError, route.CauseTLS},
		{"ssl2", nil, []byte("\x80\x2e\x01\x00\x02"), false, hello.ProtocolVersion, route.CauseTLS},
		{"malformed", nil, one(hellotest.Client(make([]byte, 33))), false, hello.DecodeError, route.CauseTLS},
		{"cut", nil, greeting[:50], true, hello.DecodeError, route.CauseTLS},
		{"unknown-host", []string{"autodiscover.example.org"}, greeting, false, hello.UnrecognizedName, route.CauseHost},
		{"no-host", []string{"mail.example.org"}, unnamed, false, hello.UnrecognizedName, route.CauseHost},
		{"no-host-modern", []string{"mail.example.org"}, one(hellotest.Client(nil, hellotest.Offers())), false, hello.MissingExtension, route.CauseHost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newBridge(t)
			s.vip.Hosts = tt.hosts
			f := s.open(t)
			client := f.legs[0]
			f.sayOctets(client, tt.say)
			if tt.end {
				f.end(client)
			}
			alert := tt.alert.Record()
			receivedAll(t, client, alert[:])
			if r := s.ended(f, route.EndRefused); r.Server != "" || r.Attempts != 0 || !client.gotFin || client.gotRst {
				t.Errorf("record %+v, client %+v; want a FIN, and no server", r, client)
			}
			if n := s.vip.Counters.Refused[tt.cause].Load(); n != 1 || f.last != nil {
				t.Errorf("%d counted as %v, dialled %+v; want 1, nobody", n, tt.cause, f.last)
			}
		})
	}
}

func TestHostThatIsServed(t *testing.T) {
	s := newBridge(t)
	s.vip.Hosts = []string{"autodiscover.example.org", "mail.example.org"}
	f := s.open(t)
	f.sayOctets(f.legs[0], one(hellotest.Client(nil, hellotest.Host("MAIL.example.org"))))
	if f.last == nil || f.over() {
		t.Error("a client of a host of the VIP is not served")
	}
}

// S38: a client that resumes a TLS session goes to the server that gave it, from
// wherever it comes; others are balanced.
func TestSessionKeepsItsServer(t *testing.T) {
	s := newBridge(t, persistence.SSLID)
	first := s.open(t)
	first.sayOctets(first.legs[0], unnamed)
	home := first.last.endpoint.Name
	first.sayOctets(first.last, flight)
	first.reset(first.legs[0])
	for i, n := range []int{1 << 14, 1, 40} {
		for _, id := range [][]byte{session, bytes.Repeat([]byte{byte(i)}, 32)} {
			f := s.open(t)
			f.sayOctets(f.legs[0], hellotest.Records(hellotest.Client(id, hellotest.Offers()), n+10))
			if known := &id[0] == &session[0]; known && f.last.endpoint.Name != home {
				t.Errorf("the session goes to %s; want %s", f.last.endpoint.Name, home)
			}
			f.sayOctets(f.last, one(hellotest.Server(id)))
			f.end(f.legs[0])
			f.end(f.last)
			r := s.ended(f, route.EndDone)
			if known := &id[0] == &session[0]; known && (r.Step != "ssl_id" || r.Why != "bound") || !known && r.Why != "fresh" {
				t.Errorf("decided by %q, %q", r.Step, r.Why)
			}
		}
	}
}

// S38: what TLS 1.3 has for a session ID is made up by the client: it is not
// bound, nor is that of a client whose server has said nothing of it.
func TestWhatIsNoSessionIsNotBound(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer []byte
	}{
		{"tls13", one(hellotest.Server(session, hellotest.Selects()))},
		{"none", one(hellotest.Server(nil))},
		{"alert", []byte("\x15\x03\x03\x00\x02\x02\x28")},
		{"garbage", []byte("220 mail ESMTP\r\n")},
		{"malformed", one(hellotest.Server(make([]byte, 33)))},
		{"endless", one(append([]byte{2, 0, 0x3f, 0}, make([]byte, 3000)...))},
		{"silence", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newBridge(t, persistence.SSLID)
			for range 3 {
				f := s.open(t)
				f.sayOctets(f.legs[0], one(hellotest.Client(session, hellotest.Offers())))
				for rest := tt.answer; len(rest) > 0; rest = rest[min(100, len(rest)):] {
					f.sayOctets(f.last, rest[:min(100, len(rest))])
				}
				receivedAll(t, f.legs[0], tt.answer)
				f.end(f.last)
				f.reset(f.legs[0])
				if r := s.ended(f, route.EndClient); r.Why != "fresh" {
					t.Errorf("%s; want fresh", r.Why)
				}
			}
		})
	}
}

// A session that moves to another server with a new ID is bound there; an ID that
// the client has brought takes no live binding away.
func TestSessionOfAServerThatIsGone(t *testing.T) {
	s := newBridge(t, persistence.SSLID)
	f := s.open(t)
	f.sayOctets(f.legs[0], unnamed)
	home := f.last.endpoint
	f.sayOctets(f.last, flight)
	s.services[0].SetState(time.Unix(0, epoch), balance.Down)
	next := bytes.Repeat([]byte{0x52}, 32)
	f = s.open(t)
	f.sayOctets(f.legs[0], one(hellotest.Client(session)))
	second := f.last.endpoint
	if second == home {
		t.Fatalf("goes to %s, which is down", home.Name)
	}
	f.sayOctets(f.last, one(hellotest.Server(next)))
	s.services[0].SetState(time.Unix(0, epoch), balance.Up)
	for _, id := range [][]byte{session, next} {
		f = s.open(t)
		f.sayOctets(f.legs[0], one(hellotest.Client(id)))
		if f.last.endpoint != second {
			t.Errorf("session %x goes to %s; want %s", id[:1], f.last.endpoint.Name, second.Name)
		}
	}
}

// An open connection keeps the binding of its session alive.
func TestOpenConnectionKeepsItsSession(t *testing.T) {
	s := newBridge(t, persistence.SSLID) // bindings last 2 minutes
	f := s.open(t)
	f.sayOctets(f.legs[0], unnamed)
	f.sayOctets(f.last, flight)
	f.pass(9 * time.Minute)
	g := s.open(t)
	g.now = f.now
	g.sayOctets(g.legs[0], one(hellotest.Client(session)))
	if g.last.endpoint != f.last.endpoint {
		t.Errorf("after 9 minutes of an open connection the session goes to %s; want %s", g.last.endpoint.Name, f.last.endpoint.Name)
	}
}

func TestBridgeAvoidsDeadServers(t *testing.T) {
	s := newBridge(t, persistence.SSLID)
	f := s.open(t)
	f.refuse = func(e *balance.Endpoint) bool { return e.Name == "cas1" }
	f.sayOctets(f.legs[0], greeting)
	receivedAll(t, f.last, greeting)
	if f.last.endpoint.Name != "cas2" || s.services[0].Failures.Load() != 1 {
		t.Errorf("went to %s, %d failures of cas1; want cas2, 1", f.last.endpoint.Name, s.services[0].Failures.Load())
	}
	f.reset(f.legs[0])
	g := s.open(t)
	client := g.legs[0]
	g.refuse = func(*balance.Endpoint) bool { return true }
	g.sayOctets(client, greeting)
	if r := s.ended(g, route.EndNoServer); r.Attempts != 3 || !client.gotRst || s.vip.Counters.Refused[route.CauseNoServer].Load() != 1 {
		t.Errorf("record %+v, client %+v; want 3 attempts and a reset", r, client)
	}
}

func TestBridgeEnds(t *testing.T) {
	s := newBridge(t)
	f := s.open(t)
	f.end(f.legs[0]) // as a router does that looks whether the address is open
	if r := s.ended(f, route.EndClient); r.Attempts != 0 || s.vip.Counters.Refused[route.CauseTLS].Load() != 0 {
		t.Errorf("record %+v; want nothing but the end", r)
	}
	f = s.open(t)
	f.manual = true
	f.sayOctets(f.legs[0], greeting)
	f.reset(f.legs[0])
	s.ended(f, route.EndClient)
	f = s.open(t)
	f.sayOctets(f.legs[0], greeting)
	client := f.legs[0]
	f.reset(f.last)
	if s.ended(f, route.EndServer); !client.gotRst || s.services[1].Failures.Load() != 1 {
		t.Errorf("client %+v, %d failures; want a reset, and the probe brought forward", client, s.services[1].Failures.Load())
	}
}

// The time for the hello runs from the opening on, and ends with it.
func TestHelloInTime(t *testing.T) {
	for _, said := range [][]byte{nil, greeting[:1]} {
		s := newBridge(t)
		f := s.open(t)
		f.pass(30*time.Second - 1)
		f.sayOctets(f.legs[0], said)
		if f.over() {
			t.Fatal("over before its time")
		}
		f.pass(1)
		if s.ended(f, route.EndSlow); s.vip.Counters.Refused[route.CauseSlow].Load() != 1 {
			t.Error("not counted")
		}
	}
	s := newBridge(t)
	f := s.open(t)
	f.manual = true
	f.sayOctets(f.legs[0], greeting)
	f.pass(time.Minute)
	f.manual = false
	f.run()
	f.pass(9 * time.Minute)
	f.sayOctets(f.last, flight)
	f.pass(time.Minute)
	if f.over() {
		t.Fatal("over while octets flow")
	}
	f.pass(10 * time.Minute)
	s.ended(f, route.EndIdle)
}

func TestBridgeDrainAndKill(t *testing.T) {
	s := newBridge(t, persistence.SSLID)
	f := s.open(t)
	f.sayOctets(f.legs[0], greeting)
	f.tick(engine.Drain)
	f.sayOctets(f.last, flight)
	receivedAll(t, f.legs[0], flight)
	f.tick(engine.Kill)
	s.ended(f, route.EndKill)
	for _, said := range [][]byte{nil, greeting[:9], greeting} {
		f = s.open(t)
		f.manual = true
		f.sayOctets(f.legs[0], said)
		f.tick(engine.Drain)
		s.ended(f, route.EndKill)
	}
}

// A reload changes nothing for a connection that is open.
func TestOneSnapshotForEachBridge(t *testing.T) {
	s := newBridge(t)
	f := s.open(t)
	next, profile := *s.vip, *s.profile
	profile.Name, profile.IdleTimeout = "other", time.Second
	next.Profiles, next.Hosts, next.Retired = []*route.Profile{&profile}, []string{"other.example.org"}, true
	s.cur.Store(&VIP{VIP: &next, Read: ReadHello})
	f.sayOctets(f.legs[0], greeting)
	f.pass(5 * time.Minute)
	f.sayOctets(f.legs[0], []byte("x"))
	receivedAll(t, f.last, greeting, []byte("x"))
	f.end(f.legs[0])
	f.end(f.last)
	if r := s.ended(f, route.EndDone); r.Profile != "rpc" {
		t.Errorf("record of profile %s; want ews", r.Profile)
	}
}

// The name in the hello tells the pool: each has its servers and its bindings, and
// one without a server refuses its own clients alone.
func TestNamesHavePools(t *testing.T) {
	for _, n := range []int{1, 13, 1 << 14} {
		s, app := newBridge(t, persistence.SourceIP), newBridge(t, persistence.SourceIP)
		app.profile.Name, app.profile.IdleTimeout = "app", time.Second
		for i := range app.profile.Candidates {
			app.profile.Candidates[i].Endpoint.Name = "app1"
		}
		s.vip.Hosts = []string{"mail.example.org"}
		s.vip.Profiles = append(s.vip.Profiles, app.profile)
		s.vip.Routes = map[string]*route.Profile{"app.example.org": app.profile, "*.app.example.org": app.profile}
		visit := func(name, profile string) *fake {
			t.Helper()
			f := s.open(t)
			client := f.legs[0]
			said := one(hellotest.Client(nil, hellotest.Host(name)))
			for rest := said; len(rest) > 0; rest = rest[min(n, len(rest)):] {
				f.sayOctets(client, rest[:min(n, len(rest))])
			}
			if profile == "" {
				return f
			}
			receivedAll(t, f.last, said)
			f.end(client)
			f.end(f.last)
			if r := s.ended(f, route.EndDone); r.Profile != profile || (f.last.endpoint.Name == "app1") != (profile == "app") {
				t.Errorf("%s goes to %s by profile %s; want profile %s", name, f.last.endpoint.Name, r.Profile, profile)
			}
			return f
		}
		for range 2 {
			visit("mail.example.org", "rpc")
			visit("APP.example.org", "app")
			visit("one.app.example.org", "app")
		}
		var active, bound int64
		for i := range s.records {
			if s.records[i].Why == "bound" {
				bound++
			}
		}
		for _, svc := range append(s.services, app.services...) {
			active += svc.Active.Load()
			if svc.Requests.Load() != 0 && svc.Requests.Load() != 2 && svc.Requests.Load() != 4 {
				t.Errorf("a server has %d connections; want all of a pool at one", svc.Requests.Load())
			}
		}
		if active != 0 || bound != 4 {
			t.Errorf("%d open, %d bound; want none, and 4: the first of each pool is new", active, bound)
		}
		if s.ended(visit("no.example.org", ""), route.EndRefused); s.vip.Counters.Refused[route.CauseHost].Load() != 1 {
			t.Error("a name that nothing serves is not counted")
		}
		for _, svc := range app.services {
			svc.SetState(time.Unix(0, epoch), balance.Down)
		}
		if r := s.ended(visit("app.example.org", ""), route.EndNoServer); r.Profile != "app" || r.Attempts != 0 {
			t.Errorf("record %+v; want no server of app", r)
		}
		visit("mail.example.org", "rpc")
	}
}

// The idle time is that of the profile which the name leads to.
func TestNameTellsIdleTime(t *testing.T) {
	s, app := newBridge(t), newBridge(t)
	app.profile.IdleTimeout = time.Second
	s.vip.Profiles = append(s.vip.Profiles, app.profile)
	s.vip.Routes = map[string]*route.Profile{"mail.example.org": app.profile}
	f := s.open(t)
	f.sayOctets(f.legs[0], greeting)
	f.pass(time.Second) // the octets of the hello are known to have moved
	f.pass(time.Second)
	s.ended(f, route.EndIdle)
}
