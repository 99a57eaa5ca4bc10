package persistence

import (
	"testing"
	"time"

	"casbah/balance"
)

// channel opens a channel of the virtual connection from c, as package http1 does
// once it has seen what the channel begins with.
func (s *site) channel(c client, virtual byte) (w Walk, server balance.ServerID) {
	s.t.Helper()
	r := c.request(s.t)
	if virtual != 0 {
		r.Virtual = [16]byte{virtual}
	}
	s.chain.Walk(s.now, r, s, &w)
	if server = w.Server; server == 0 {
		server = s.choose
	}
	s.chain.Bind(s.now, &w, server)
	return w, server
}

// expectChannel fails the test unless the channel is on the server.
func (s *site) expectChannel(what string, c client, virtual byte, want balance.ServerID) {
	s.t.Helper()
	if _, got := s.channel(c, virtual); got != want {
		s.t.Errorf("%s: on server %d; want %d", what, got, want)
	}
}

var (
	desk    = client{addr: "192.0.2.7", cookie: `OutlookSession="{1}"`}
	phone   = client{addr: "198.51.100.8"}
	roaming = client{addr: "203.0.113.9", cookie: `a=b; OutlookSession="{1}"`}
)

// The channels of a virtual connection are together whatever their addresses; a
// new connection of the same Outlook goes where its others are.
func TestVirtualConnectionKeepsItsServer(t *testing.T) {
	s := newSite(t, []Step{{By: RPCConnection}, {By: SourceIP}})
	s.channel(desk, 1)
	s.choose = cas2
	s.expectChannel("another address", phone, 1, cas1)
	s.expectChannel("another connection of that Outlook", roaming, 2, cas1)
	s.expectChannel("before the PDU is known", roaming, 0, cas1)
	s.expectChannel("somebody else", client{addr: "203.0.113.1"}, 3, cas2)
	s.expectChannel("nothing is known", client{addr: "203.0.113.2"}, 0, cas2)
}

// A connection that is known only behind the decision is bound where it went.
func TestVirtualConnectionThatIsKnownLater(t *testing.T) {
	s := newSite(t, []Step{{By: RPCConnection}})
	w, _ := s.channel(phone, 0)
	r := phone.request(t)
	s.chain.Join(s.now, &w, r) // not known yet
	r.Virtual = [16]byte{1}
	s.chain.Join(s.now, &w, r)
	s.chain.Join(s.now, &w, r)
	if w.N != 2 {
		t.Errorf("%d readings; want the step's and that of the connection", w.N)
	}
	s.choose = cas2
	s.expectChannel("the other channel", desk, 1, cas1)

	other, _ := s.channel(client{addr: "203.0.113.1"}, 0)
	s.chain.Join(s.now, &other, r) // on cas2, but the connection is bound
	s.expectChannel("a third one", client{addr: "203.0.113.3"}, 1, cas1)
}

// Of two channels that come at the same moment the second learns that the first
// was quicker.
func TestChannelIsOutpaced(t *testing.T) {
	s := newSite(t, []Step{{By: RPCConnection}, {By: SourceIP}})
	var first, second Walk
	a, b := desk.request(t), phone.request(t)
	a.Virtual, b.Virtual = [16]byte{1}, [16]byte{1}
	s.chain.Walk(s.now, a, s, &first)
	s.chain.Walk(s.now, b, s, &second)
	s.chain.Bind(s.now, &first, cas1)
	s.chain.Bind(s.now, &second, cas2)
	if first.Outpaced() || !second.Outpaced() {
		t.Fatalf("outpaced: %v, %v; want the second", first.Outpaced(), second.Outpaced())
	}
	s.chain.Walk(s.now, b, s, &second)
	if second.Server != cas1 || second.Outpaced() {
		t.Errorf("decided anew: server %d; want 1", second.Server)
	}
	s.gone[cas1] = true
	s.chain.Walk(s.now, a, s, &first)
	s.chain.Walk(s.now, b, s, &second)
	s.chain.Bind(s.now, &first, cas2)
	s.chain.Bind(s.now, &second, cas3)
	if first.Outpaced() || !second.Outpaced() {
		t.Errorf("after their server is gone: %v, %v; want the second", first.Outpaced(), second.Outpaced())
	}
}

// The binding of a virtual connection lives while a channel is open, and not for
// long behind it: its cookie never comes back. Until the server has let the client
// in it lives a minute.
func TestVirtualConnectionIsForgotten(t *testing.T) {
	s := newSite(t, []Step{{By: RPCConnection}})
	s.channel(client{addr: "192.0.2.1"}, 1)
	w, _ := s.channel(client{addr: "192.0.2.1"}, 2)
	s.chain.Learn(s.now, &w, cas1, answer{}.response(t), nil)
	s.choose = cas2
	s.pass(2 * time.Minute)
	s.expectChannel("nobody was let in", phone, 1, cas2)
	for range 20 {
		s.pass(time.Minute)
		s.chain.Touch(s.now, &w)
	}
	s.expectChannel("in use", phone, 2, cas1)
	s.pass(virtualLife + 2*time.Minute)
	s.expectChannel("closed for long", phone, 2, cas2)
}

// A draining server keeps the connections that it has: a channel that replaces
// another comes to it, and new connections do not.
func TestVirtualConnectionStaysWhileDraining(t *testing.T) {
	s := newSite(t, []Step{{By: RPCConnection}})
	s.channel(client{addr: "192.0.2.1"}, 1)
	s.drain[cas1], s.choose = true, cas2
	s.expectChannel("of the connection", phone, 1, cas1)
	s.expectChannel("new", client{addr: "192.0.2.1"}, 2, cas2)
}

// Ten connections of one Outlook are one client behind its address.
func TestVirtualConnectionsAreNotCounted(t *testing.T) {
	s := newSite(t, []Step{{By: RPCConnection}, {By: SourceIP}}, func(c *Config) { c.Crowds, c.SharedAfter = new(Crowds), 3 })
	for i := range byte(10) {
		w, server := s.channel(desk, i+1)
		s.chain.Learn(s.now, &w, server, answer{}.response(t), nil)
		s.pass(time.Minute)
	}
	if all := s.chain.Shared(s.now); len(all) != 0 {
		t.Errorf("shared: %+v; want no address", all)
	}
	if id, ok := s.chain.ClientHash(&Walk{}); ok {
		t.Errorf("a walk without readings tells %d", id)
	}
}

func TestConnectionsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := newSite(t, []Step{{By: RPCConnection}, {By: SourceIP}})
	r := desk.request(t)
	r.Virtual = [16]byte{1}
	var w Walk
	if n := testing.AllocsPerRun(1000, func() {
		s.chain.Walk(s.now, r, s, &w)
		s.chain.Bind(s.now, &w, cas1)
		s.chain.Join(s.now, &w, r)
		s.chain.Touch(s.now, &w)
	}); n != 0 {
		t.Errorf("%v allocations; want none", n)
	}
}
