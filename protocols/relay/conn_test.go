package relay

import (
	"io"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/route"
)

func TestOctetsPassBothWays(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	client, server := f.legs[0], f.last
	f.say(server, "* OK ready\r\n")
	f.say(client, "\x00\xff\r\n")
	f.say(server, "more")
	received(t, client, "* OK ready\r\nmore")
	received(t, server, "\x00\xff\r\n")
	f.end(client)
	if !server.gotFin || f.over() {
		t.Fatalf("server saw a FIN: %v, over: %v; want true, false", server.gotFin, f.over())
	}
	f.say(server, ", and the rest")
	f.end(server)
	received(t, client, "* OK ready\r\nmore, and the rest")
	if !client.gotFin || client.gotRst || server.gotRst {
		t.Errorf("client %+v, server %+v; want ends without a reset", client, server)
	}
	r := s.ended(f, route.EndDone)
	if r.In != 4 || r.Out != 30 || s.vip.Counters.In.Load() != 4 || s.vip.Counters.Out.Load() != 30 {
		t.Errorf("record %d in, %d out; counted %d, %d; want 4, 30", r.In, r.Out, s.vip.Counters.In.Load(), s.vip.Counters.Out.Load())
	}
}

// What a client says before its server is there is not lost, and nobody sees it
// before.
func TestEarlyOctetsWaitForTheServer(t *testing.T) {
	s := newSite(t)
	f := newFake(t, &s.cur, s.conn)
	f.manual = true
	f.open()
	client := f.legs[0]
	f.say(client, "HELO")
	f.end(client)
	if !client.held || len(client.unread) != 4 || client.finTold {
		t.Fatalf("client %+v; want it held with 4 octets", client)
	}
	f.manual = false
	f.run()
	received(t, f.last, "HELO")
	if !f.last.gotFin || f.over() {
		t.Errorf("FIN %v, over %v; want true, false", f.last.gotFin, f.over())
	}
}

// A driver may tell of a FIN without octets before it although reading is held.
func TestClientThatEndsBeforeItsServerIsThere(t *testing.T) {
	s := newSite(t)
	f := newFake(t, &s.cur, s.conn)
	f.manual = true
	f.open()
	client := f.legs[0]
	client.fin, client.finTold = true, true
	f.call(func() { f.core.End(f.now, engine.Client, nil, f) })
	f.manual = false
	f.run()
	if !f.last.gotFin || f.over() {
		t.Fatalf("FIN %v, over %v; want true, false", f.last.gotFin, f.over())
	}
	f.say(f.last, "bye")
	f.end(f.last)
	received(t, client, "bye")
	s.ended(f, route.EndDone)
}

func TestServerEndsFirst(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	client := f.legs[0]
	f.end(f.last)
	if !client.gotFin || client.gotRst || f.over() {
		t.Fatalf("client %+v; want a FIN and to be heard", client)
	}
	f.say(client, "still here")
	received(t, f.last, "still here")
	f.end(client)
	s.ended(f, route.EndDone)
}

func TestResetIsPassedOn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    route.End
		client bool // resets
		half   bool // the other side has closed its half before
	}{
		{"client", route.EndClient, true, false},
		{"server", route.EndServer, false, false},
		{"client-behind-fin", route.EndClient, true, true},
		{"server-behind-fin", route.EndServer, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			from, to := f.last, f.legs[0]
			if tt.client {
				from, to = to, from
			}
			f.say(from, "x")
			if tt.half {
				f.end(to)
			}
			f.reset(from)
			received(t, to, "x")
			if !to.gotRst {
				t.Errorf("the other side got %+v; want a reset", to)
			}
			s.ended(f, tt.end)
			if n := s.services[0].Failures.Load(); n != 0 {
				t.Errorf("%d failures of a server that answered or was never asked", n)
			}
		})
	}
}

// A client that leaves while its server is dialled takes the dial with it.
func TestClientResetsDuringTheDial(t *testing.T) {
	s := newSite(t)
	f := newFake(t, &s.cur, s.conn)
	f.manual = true
	f.open().reset(f.legs[0])
	if r := s.ended(f, route.EndClient); r.Attempts != 1 || r.Server != "cas1" {
		t.Errorf("record %+v; want one attempt at cas1", r)
	}
}

// S95 for a relay: who cannot be reached is passed over, and its monitor told.
func TestServerThatCannotBeReached(t *testing.T) {
	s := newSite(t)
	f := newFake(t, &s.cur, s.conn)
	f.refuse = func(e *balance.Endpoint) bool { return e.Name == "cas1" }
	nudged := 0
	s.services[0].OnFailure(func() { nudged++ })
	f.say(f.legs[0], "early") // before the first tick nothing is reported
	f.open()
	if f.last.endpoint.Name != "cas2" || nudged != 1 || s.services[0].Active.Load() != 0 || s.services[1].Active.Load() != 1 {
		t.Fatalf("went to %s, probe nudged %d times, %d and %d open; want cas2, 1, 0, 1", f.last.endpoint.Name, nudged,
			s.services[0].Active.Load(), s.services[1].Active.Load())
	}
	received(t, f.last, "early")
	f.end(f.legs[0])
	f.end(f.last)
	if r := s.ended(f, route.EndDone); r.Attempts != 2 || r.Server != "cas2" {
		t.Errorf("record %+v; want two attempts, the second at cas2", r)
	}
}

func TestNoServer(t *testing.T) {
	for _, tt := range []struct {
		name     string
		state    balance.State
		attempts int
	}{
		{"none-up", balance.Down, 0},
		{"maintenance", balance.Maintenance, 0},
		{"none-reached", balance.Up, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			for _, svc := range s.services {
				svc.SetState(time.Unix(0, epoch), tt.state)
			}
			f := newFake(t, &s.cur, s.conn)
			f.refuse = func(*balance.Endpoint) bool { return true }
			client := f.legs[0]
			f.open()
			if !client.gotRst || len(client.got) > 0 {
				t.Errorf("the client got %+v; want a reset", client)
			}
			if r := s.ended(f, route.EndNoServer); r.Attempts != tt.attempts || r.Server != "" {
				t.Errorf("record %+v; want %d attempts and no server", r, tt.attempts)
			}
			if n := s.vip.Counters.Refused[route.CauseNoServer].Load(); n != 1 {
				t.Errorf("%d refused for no server; want 1", n)
			}
		})
	}
}

// A server that takes connections and drops them is no good, whatever its probe
// says; one that a client left without a word is not to blame.
func TestResetBeforeAnyOctetBringsTheProbeForward(t *testing.T) {
	for _, left := range []bool{false, true} {
		s := newSite(t)
		f := s.open(t)
		if left {
			f.end(f.legs[0])
		}
		f.reset(f.last)
		s.ended(f, route.EndServer)
		if got, want := s.services[0].Failures.Load(), map[bool]uint64{false: 1, true: 0}[left]; got != want {
			t.Errorf("client had left: %v; %d failures, want %d", left, got, want)
		}
	}
}

// casbah stops: what is up goes on until it is killed, what is not up does not
// begin.
func TestDrainAndKill(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	client := f.legs[0]
	f.tick(engine.Drain)
	f.say(client, "on")
	received(t, f.last, "on")
	f.tick(engine.Kill)
	if !client.gotRst || !f.last.gotRst {
		t.Errorf("client %+v, server %+v; want resets", client, f.last)
	}
	if r := s.ended(f, route.EndKill); r.In != 2 {
		t.Errorf("record %+v; want 2 octets in", r)
	}

	f = newFake(t, &s.cur, s.conn)
	f.manual = true
	f.open().tick(engine.Drain)
	s.ended(f, route.EndKill)

	f = newFake(t, &s.cur, s.conn)
	f.tick(engine.Kill) // before it is told that it is open
	if r := s.ended(f, route.EndKill); r.Server != "" || r.Why != "" || r.Attempts != 0 {
		t.Errorf("record %+v; want none of a decision", r)
	}
	f.call(func() { f.core.Tick(f.now, engine.Drain, f) }) // nothing is left to do
	if len(s.records) != 3 {
		t.Errorf("%d records; want 3", len(s.records))
	}
}

// A reload changes nothing for a connection that is open.
func TestOneSnapshotForEachConnection(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	next, profile := *s.vip, *s.profile
	profile.Name, profile.IdleTimeout = "other", time.Second
	next.Profiles, next.Retired = []*route.Profile{&profile}, true
	s.cur.Store(&VIP{VIP: &next})
	f.pass(5 * time.Minute)
	f.say(f.legs[0], "x")
	received(t, f.last, "x")
	f.end(f.legs[0])
	f.end(f.last)
	if r := s.ended(f, route.EndDone); r.Profile != "rpc" {
		t.Errorf("record of profile %s; want rpc", r.Profile)
	}
	if f = s.open(t); f.over() { // it was accepted before its VIP went
		t.Error("a connection that came before the reload is not served")
	}
}

func TestRecord(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.say(f.legs[0], "hello")
	f.pass(90 * time.Second)
	f.end(f.legs[0])
	f.end(f.last)
	got := *s.ended(f, route.EndDone)
	want := route.Record{
		VIP: "relay", Profile: "rpc", Client: s.conn.Remote, Source: s.conn.Remote.Addr(), Relayed: true, Server: "cas1",
		Why: "no_key", In: 5, Begin: epoch, Finish: epoch + int64(90*time.Second), End: route.EndDone, Attempts: 1,
	}
	if got.Method != nil || got.Host != nil || got.Path != nil {
		t.Errorf("record %+v; want none of a request", got)
	}
	if got.VIP != want.VIP || got.Profile != want.Profile || got.Client != want.Client || got.Source != want.Source || !got.Relayed ||
		got.Server != want.Server || got.Why != want.Why || got.Step != "" || got.In != 5 || got.Out != 0 || got.Begin != want.Begin ||
		got.Finish != want.Finish || got.Status != 0 || got.Attempts != 1 {
		t.Errorf("record %+v; want %+v", got, want)
	}
	c := s.vip.Counters
	if f := c.Figures(); f[0].Requests() != 0 || c.Ends[route.EndDone].Load() != 1 {
		t.Errorf("%d requests, %d ends; want 0, 1", f[0].Requests(), c.Ends[route.EndDone].Load())
	}
}

// A peer that leaves without the word of TLS for it has said what it said: the
// other side gets it, and an end.
func TestTruncatedTLSIsAnEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		leg  engine.Leg
		end  route.End
	}{{"client", engine.Client, route.EndClient}, {"server", 1, route.EndServer}} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			from, to := f.legs[tt.leg], f.legs[1-tt.leg]
			f.say(from, "QUIT\r\n")
			f.call(func() { f.core.End(f.now, tt.leg, io.ErrUnexpectedEOF, f) })
			received(t, to, "QUIT\r\n")
			if to.gotRst || !to.gotFin {
				t.Errorf("the other side got %+v; want an end", to)
			}
			s.ended(f, tt.end)
		})
	}
}
