package relay

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// begin returns a flow of s's client, with its server and one datagram sent.
func (s *site) begin(tb testing.TB, now int64) *Flow {
	tb.Helper()
	f := NewFlow(&s.cur, s.conn)
	if next := f.Tick(now); next == 0 {
		tb.Fatal("a flow is over when it begins")
	}
	if f.Choose(now) == nil {
		tb.Fatal("no server is chosen")
	}
	f.Sent(now, 100)
	return f
}

// last returns the newest record, and checks that no flow is counted as open.
func (s *site) last(tb testing.TB, end route.End) *route.Record {
	tb.Helper()
	if len(s.records) == 0 {
		tb.Fatal("no access record")
	}
	r := &s.records[len(s.records)-1]
	if r.End != end || s.vip.Counters.Ends[end].Load() == 0 {
		tb.Errorf("ended by %v; want %v, counted", r.End, end)
	}
	for _, svc := range s.services {
		if n := svc.Active.Load(); n != 0 {
			tb.Errorf("%d flows to %s are counted as open", n, svc.Server.Name)
		}
	}
	return r
}

const second = int64(time.Second)

// S36, S42, S43 for flows: what is bound is the key of the step, and only once
// the server has answered.
func TestFlowBindsWhenItIsAnswered(t *testing.T) {
	other := func(c engine.Conn, what string) engine.Conn {
		switch what {
		case "port":
			c.Remote = netip.AddrPortFrom(c.Remote.Addr(), c.Remote.Port()+1)
		case "source":
			c.Remote = netip.AddrPortFrom(netip.MustParseAddr("198.51.100.8"), c.Remote.Port())
		case "dest":
			c.Local = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.11"), c.Local.Port())
		}
		return c
	}
	for _, tt := range []struct {
		name  string
		step  persistence.Method
		same  []string // what may differ for the same server
		other []string // what makes another client
	}{
		{"source_ip", persistence.SourceIP, []string{"port", "dest"}, []string{"source"}},
		{"dest_ip", persistence.DestIP, []string{"port", "source"}, []string{"dest"}},
		{"src_dest_ip", persistence.SrcDestIP, []string{"port"}, []string{"source", "dest"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, persistence.Step{By: tt.step})
			now := epoch
			why := func(what string) string {
				now += second
				f := NewFlow(&s.cur, other(s.conn, what))
				f.Tick(now)
				f.Choose(now)
				f.Close(now, engine.Expired)
				return s.records[len(s.records)-1].Why
			}
			f := s.begin(t, now)
			if got := why("port"); got != "fresh" {
				t.Errorf("before an answer another flow is %s; want fresh", got)
			}
			f.Answered(now, 50)
			home := f.d.Server()
			for _, what := range tt.same {
				if got := why(what); got != "bound" || s.records[len(s.records)-1].Server != home {
					t.Errorf("with another %s a flow is %s; want bound", what, got)
				}
			}
			for _, what := range tt.other {
				if got := why(what); got != "fresh" {
					t.Errorf("with another %s a flow is %s; want fresh", what, got)
				}
			}
			f.Close(now, engine.Expired)
		})
	}
}

// The binding lives on with the flow, and a flow that nobody answers does not
// keep it alive.
func TestFlowKeepsItsBinding(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP}) // bound for 2 minutes
	now := epoch
	f := s.begin(t, now)
	f.Answered(now, 10)
	for range 10 {
		next := f.Tick(now)
		if next <= now || next > now+60*second {
			t.Fatalf("the next look is in %v; want it within a minute", time.Duration(next-now))
		}
		now = next
		f.Answered(now, 10)
	}
	f.Close(now, engine.Expired)
	g := s.begin(t, now+100*second)
	g.Close(now+119*second, engine.Expired)
	if r := s.last(t, route.EndTimeout); r.Why != "bound" {
		t.Fatalf("the client's next flow is %s; want bound", r.Why)
	}
	if h := s.begin(t, now+130*second); h.d.Why() != "fresh" {
		t.Errorf("after two minutes without an answer the client is %s; want fresh", h.d.Why())
	} else {
		h.Close(now+130*second, engine.Killed)
	}
}

func TestFlowEnds(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	for _, tt := range []struct {
		name  string
		play  func(f *Flow) // from epoch to 5 s later
		alive time.Duration // after epoch
		over  time.Duration
		why   engine.Ending
		end   route.End
	}{
		{"unanswered", func(*Flow) {}, 10*time.Second - 1, 10 * time.Second, engine.Expired, route.EndTimeout},
		{"unanswered-busy", func(f *Flow) { f.Sent(epoch+5*second, 1) }, 10*time.Second - 1, 10 * time.Second, engine.Expired, route.EndTimeout},
		{
			"idle", func(f *Flow) { f.Answered(epoch+5*second, 1) },
			10*time.Minute + 5*time.Second - 1, 10*time.Minute + 5*time.Second, engine.Expired, route.EndIdle,
		},
		{
			"sends-after-the-answer", func(f *Flow) {
				f.Answered(epoch+second, 1)
				f.Sent(epoch+5*second, 1)
			}, 10*time.Minute + 5*time.Second - 1, 10*time.Minute + 5*time.Second, engine.Expired, route.EndIdle,
		},
		{"unreachable", func(f *Flow) { f.Unreached(epoch + second) }, 10*time.Second - 1, 10 * time.Second, engine.Expired, route.EndServer},
		{"evicted", func(*Flow) {}, 0, 0, engine.Evicted, route.EndRefused},
		{"killed", func(f *Flow) { f.Answered(epoch, 1) }, 0, 0, engine.Killed, route.EndKill},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := s.begin(t, epoch)
			tt.play(f)
			if tt.alive > 0 && f.Tick(epoch+int64(tt.alive)) == 0 {
				t.Errorf("the flow is over after %v", tt.alive)
			}
			if tt.over > 0 && f.Tick(epoch+int64(tt.over)) != 0 {
				t.Errorf("the flow is not over after %v", tt.over)
			}
			f.Close(epoch+int64(tt.over), tt.why)
			r := s.last(t, tt.end)
			if !r.Relayed || r.VIP != "relay" || r.Profile != "rpc" || r.Client != s.conn.Remote || r.Source != s.conn.Remote.Addr() ||
				r.Server == "" || r.Attempts != 1 || r.Begin != epoch || r.Elapsed() != tt.over || r.In < 100 {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// S95 for flows: who cannot be reached is passed over, and its monitor told.
func TestFlowLeavesAServer(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	nudged := 0
	s.services[0].OnFailure(func() { nudged++ })
	f := s.begin(t, epoch)
	f.Answered(epoch, 10)
	f.Unreached(epoch + second)
	if e := f.Choose(epoch + 2*second); e == nil || e.Name != "cas2" || nudged != 1 || s.services[0].Active.Load() != 0 {
		t.Fatalf("then it goes to %+v, with %d nudges; want cas2, 1", e, nudged)
	}
	if g := s.begin(t, epoch+3*second); g.d.Server() != "cas1" {
		t.Errorf("the client is bound to %s before another server has answered; want cas1", g.d.Server())
	} else {
		g.Close(epoch+3*second, engine.Killed)
	}
	f.Sent(epoch+3*second, 10)
	f.Answered(epoch+4*second, 10)
	if g := s.begin(t, epoch+5*second); g.d.Server() != "cas2" || g.d.Why() != "bound" {
		t.Errorf("then the client goes to %s (%s); want cas2, bound", g.d.Server(), g.d.Why())
	} else {
		g.Close(epoch+5*second, engine.Killed)
	}
	f.Unreached(epoch + 6*second)
	if e := f.Choose(epoch + 7*second); e != nil {
		t.Errorf("with both lost it goes to %s; want nowhere", e.Name)
	}
	if e := f.Choose(epoch + 8*second); e == nil {
		t.Error("the next datagram does not try them again")
	}
	f.Close(epoch+9*second, engine.Expired)
	if r := s.last(t, route.EndServer); r.Attempts != 3 || r.In != 110 || r.Out != 20 {
		t.Errorf("record %+v; want 3 attempts, 110 octets in, 20 out", r)
	}
	if in, out := s.vip.Counters.In.Load(), s.vip.Counters.Out.Load(); in != 310 || out != 20 {
		t.Errorf("counted %d octets in, %d out; want 310, 20", in, out)
	}
}

func TestFlowWithoutAServer(t *testing.T) {
	s := newSite(t)
	for _, svc := range s.services {
		svc.SetState(time.Unix(0, epoch), balance.Down)
	}
	f := NewFlow(&s.cur, s.conn)
	f.Tick(epoch)
	for i := range int64(3) {
		if f.Choose(epoch+i) != nil {
			t.Fatal("a server is chosen where none is up")
		}
	}
	s.services[1].SetState(time.Unix(0, epoch), balance.Up)
	if e := f.Choose(epoch + second); e == nil || e.Name != "cas2" {
		t.Fatalf("with a server up again it goes to %+v; want cas2", e)
	}
	g := NewFlow(&s.cur, s.conn)
	g.Tick(epoch)
	s.services[1].SetState(time.Unix(0, epoch), balance.Down)
	g.Choose(epoch)
	f.Close(epoch, engine.Killed)
	g.Close(epoch+10*second, engine.Expired)
	if r := s.last(t, route.EndNoServer); r.Server != "" || r.Attempts != 0 || s.vip.Counters.Refused[route.CauseNoServer].Load() != 4 {
		t.Errorf("record %+v, %d datagrams refused; want no server, 4", r, s.vip.Counters.Refused[route.CauseNoServer].Load())
	}
}

// A flow sees one snapshot from its beginning to its end.
func TestOneSnapshotForEachFlow(t *testing.T) {
	s, after := newSite(t), newSite(t)
	f := s.begin(t, epoch)
	s.cur.Store(&VIP{VIP: after.vip})
	f.Answered(epoch, 10)
	f.Unreached(epoch)
	if e := f.Choose(epoch); e != s.profile.Candidates[1].Endpoint {
		t.Errorf("after a reload the flow goes to %+v; want a server of before", e)
	}
	f.Close(epoch, engine.Killed)
	if len(s.records) != 1 || len(after.records) != 0 {
		t.Errorf("%d records before, %d after; want 1, 0", len(s.records), len(after.records))
	}
}

func TestFlowWithoutIdleTime(t *testing.T) {
	s := newSite(t)
	s.profile.IdleTimeout = 0
	f := s.begin(t, epoch)
	f.Answered(epoch, 1)
	if next := f.Tick(math.MaxInt64 / 2); next == 0 {
		t.Error("a flow without an idle time is over")
	}
	f.Close(epoch, engine.Killed)
}

func TestFlowDoesNotAllocate(t *testing.T) {
	s := quiet(t)
	now := epoch
	f := s.begin(t, now)
	f.Answered(now, 1)
	if n := testing.AllocsPerRun(200, func() {
		now += 30 * second
		f.Sent(now, 1000)
		f.Answered(now, 1000)
		f.Dropped()
		f.Tick(now)
	}); n != 0 {
		t.Errorf("%v allocations for datagrams and a tick; want 0", n)
	}
	f.Close(now, engine.Killed)
	if got := s.vip.Counters.Dropped.Load(); got != 201 {
		t.Errorf("%d datagrams are counted as dropped; want 201", got)
	}
}

// FuzzFlow plays a flow in any order that a driver may: whatever happens, it
// asks for a look in the future or ends, what it counts as open is closed at its
// end, there is one record, and without an answer it ends within 10 seconds.
func FuzzFlow(f *testing.F) {
	f.Add([]byte("\x00\x10\x01\x20\x02\x30\x00\x01\x04\xff"))
	f.Add([]byte("\x00\x01\x03\x02\x00\x01\x03\x02\x00\x01\x03\x02\x02\x05"))
	f.Add([]byte("\x05\x00\x00\x01\x05\x02\x00\x01\x02\x09\x04\xff"))
	f.Fuzz(func(t *testing.T, script []byte) {
		s := newSite(t, persistence.Step{By: persistence.SourceIP})
		now, flow := epoch, NewFlow(&s.cur, s.conn)
		next := flow.Tick(now)
		var to *balance.Endpoint
		answered, in, out := false, int64(0), int64(0)
		for ; len(script) >= 2 && next != 0; script = script[2:] {
			n := int(script[1])
			switch op := script[0] % 6; {
			case op == 0 || op == 1: // a datagram of the client
				if to == nil {
					to = flow.Choose(now)
				}
				if to != nil {
					flow.Sent(now, n)
					in += int64(n)
				}
			case op == 2 && to != nil:
				flow.Answered(now, n)
				out, answered = out+int64(n), true
			case op == 3 && to != nil:
				flow.Unreached(now)
				to = nil
			case op == 4:
				now += int64(n) * second / 4
			case op == 5:
				s.services[n%2].SetState(time.Unix(0, now), balance.State(n/2%5))
			}
			if now >= next {
				if next = flow.Tick(now); next != 0 && next <= now {
					t.Fatalf("at %d it wants to be looked at at %d", now, next)
				}
			}
			if next != 0 && !answered && now >= epoch+10*second {
				t.Fatal("a flow without an answer goes on after 10s")
			}
		}
		why := engine.Killed
		if next == 0 {
			why = engine.Expired
		}
		flow.Close(now, why)
		if len(s.records) != 1 || s.records[0].In != in || s.records[0].Out != out {
			t.Fatalf("records %+v; want one with %d octets in, %d out", s.records, in, out)
		}
		for _, svc := range s.services {
			if n := svc.Active.Load(); n != 0 {
				t.Fatalf("%d flows are counted as open", n)
			}
		}
	})
}
