package relay

import (
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/route"
)

// order orders something of all servers, as the node does.
func (s *site) order(f *fake, o balance.Order) {
	o.Since = f.now
	for _, svc := range s.services {
		svc.SetOrder(time.Unix(0, f.now), o)
	}
	f.tick(engine.Woken)
}

// A session whose server is to be left hears the farewell of its protocol when it
// is its turn, between commands, and goes on until then.
func TestFirmDrainTakesLeave(t *testing.T) {
	for _, o := range []Options{{}, offers} {
		for _, tt := range protocols {
			t.Run(tt.name, func(t *testing.T) {
				s := newMail(t, tt.protocol(), o)
				f := s.open(t)
				client := f.legs[0]
				f.say(f.last, tt.greeting)
				before := len(client.got)
				order := balance.Order{Kind: balance.OrderFirm, Since: f.now, Until: f.now + int64(time.Minute)}
				turn := order.Leaves(balance.Share(s.conn.Remote))
				s.order(f, order)
				f.pass(time.Duration(turn-f.now) - 1)
				if got := string(client.got[before:]); got != "" || f.over() {
					t.Fatalf("before its turn the client got %q", got)
				}
				f.pass(1)
				if got := string(client.got[before:]); !strings.Contains(got, "the server is going down, connect again") {
					t.Errorf("the client got %q", got)
				}
				s.ended(f, route.EndDrain)
			})
		}
	}
}

// Amid a command nobody takes leave: behind it, or when the time of maintenance is
// over (S28).
func TestLeaveWaitsForTheCommand(t *testing.T) {
	begin := func(t *testing.T) (s *site, f *fake, client *fakeLeg) {
		t.Helper()
		s = newMail(t, IMAP4(), Options{})
		f = s.open(t)
		client = f.legs[0]
		f.say(f.last, "* OK\r\n")
		f.say(f.legs[0], "a SEARCH x\r\n")
		s.order(f, balance.Order{Kind: balance.OrderMaintenance, Close: f.now + int64(30*time.Second)})
		f.pass(29 * time.Second)
		if got := string(f.legs[0].got); got != "* OK\r\n" || f.over() {
			t.Fatalf("amid a command the client got %q", got)
		}
		return s, f, client
	}
	t.Run("answered", func(t *testing.T) {
		s, f, client := begin(t)
		f.say(f.last, "a OK\r\n")
		if got := string(client.got); !strings.HasPrefix(got, "* OK\r\na OK\r\n* BYE ") {
			t.Errorf("the client got %q", got)
		}
		s.ended(f, route.EndDrain)
	})
	t.Run("never", func(t *testing.T) {
		s, f, client := begin(t)
		f.pass(time.Second)
		if got := string(client.got); got != "* OK\r\n" {
			t.Errorf("the client got %q", got)
		}
		s.ended(f, route.EndDrain)
	})
}

// What is relayed unread goes on under any drain, and in maintenance until its time
// is over: S27, S28.
func TestUnreadRelayGoesOn(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	for _, kind := range []balance.OrderKind{balance.OrderDrain, balance.OrderFirm} {
		s.order(f, balance.Order{Kind: kind, Until: f.now + int64(time.Second)})
		f.pass(time.Minute)
		f.say(f.legs[0], "x")
	}
	received(t, f.last, "xx")
	s.order(f, balance.Order{Kind: balance.OrderMaintenance, Close: f.now + int64(time.Minute)})
	f.pass(time.Minute - 1)
	f.say(f.last, "y")
	received(t, f.legs[0], "y")
	f.pass(1)
	s.ended(f, route.EndDrain)
}

// An order that is taken back leaves a session alone.
func TestOrderTakenBack(t *testing.T) {
	s := newMail(t, IMAP4(), Options{})
	f := s.open(t)
	f.say(f.last, "* OK\r\n")
	s.order(f, balance.Order{Kind: balance.OrderFirm, Until: f.now + int64(time.Minute)})
	s.order(f, balance.Order{})
	f.pass(2 * time.Minute)
	if got := string(f.legs[0].got); got != "* OK\r\n" || f.over() {
		t.Errorf("the client got %q", got)
	}
}

// A flow finds another server at its next datagram, and one that is in maintenance
// or drains firmly has none any more. S27.
func TestFlowLeaves(t *testing.T) {
	for _, kind := range []balance.OrderKind{balance.OrderDrain, balance.OrderFirm, balance.OrderMaintenance} {
		s := newSite(t)
		f := s.begin(t, epoch)
		f.Answered(epoch+second, 10)
		for _, svc := range s.services {
			svc.SetOrder(time.Unix(0, epoch+second), balance.Order{Kind: kind, Since: epoch + second, Close: epoch + second})
		}
		next := f.Tick(epoch + 2*second)
		if ends := next == 0; ends != (kind != balance.OrderDrain) {
			t.Errorf("%v: the flow ends %v", kind, ends)
		}
		if next > epoch+2*second+lookEvery {
			t.Errorf("%v: it looks again after %v", kind, time.Duration(next-epoch-2*second))
		}
		f.Close(epoch+3*second, engine.Expired)
	}
}

// A server that is given up while it is dialled gets no connection: another one does.
func TestServerGivenUpWhileDialled(t *testing.T) {
	s := newSite(t)
	f := newFake(t, &s.cur, s.conn)
	f.manual = true
	f.open()
	first := f.last
	for _, svc := range s.services {
		if svc.Server.Name == first.endpoint.Name {
			svc.SetOrder(time.Unix(0, f.now), balance.Order{Kind: balance.OrderMaintenance, Since: f.now, Close: f.now})
		}
	}
	f.tick(engine.Woken)
	f.manual = false
	f.run()
	if f.last == first || f.last.endpoint.Name == first.endpoint.Name || f.over() {
		t.Fatalf("the client goes to %s, over %v; want the other server", f.last.endpoint.Name, f.over())
	}
	f.say(f.legs[0], "x")
	received(t, f.last, "x")
}
