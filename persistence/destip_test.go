package persistence

import (
	"net/netip"
	"testing"
	"time"

	"casbah/balance"
)

// relays lets a connection without a head through the chain, as a relay does,
// and returns its walk and its server.
func (s *site) relays(r *Request) (w Walk, server balance.ServerID) {
	s.t.Helper()
	s.chain.Walk(s.now, r, s, &w)
	if server = w.Server; server == 0 {
		server = s.choose
	}
	s.chain.Bind(s.now, &w, server)
	s.chain.Touch(s.now, &w)
	return w, server
}

// callFrom returns a connection from source to dest; either may be empty.
func callFrom(source, dest string) *Request {
	r := &Request{}
	if source != "" {
		r.Source = netip.MustParseAddr(source)
	}
	if dest != "" {
		r.Dest = netip.MustParseAddr(dest)
	}
	return r
}

// S43: who calls one address comes to one server. S42: who calls one address
// from one address does.
func TestDestinationSteps(t *testing.T) {
	const first, dest = "192.0.2.7", "203.0.113.1"
	tests := []struct {
		name         string
		step         Step
		source, dest string
		same         bool
	}{
		{"dest-other-client", Step{By: DestIP}, "198.51.100.9", dest, true},
		{"dest-mapped", Step{By: DestIP}, first, "::ffff:203.0.113.1", true},
		{"dest-other-address", Step{By: DestIP}, first, "203.0.113.2", false},
		{"dest-no-client", Step{By: DestIP}, "", dest, true},
		{"dest-is-not-masked", Step{By: DestIP, Prefix4: 8}, first, "203.0.113.2", false},
		{"both", Step{By: SrcDestIP}, first, dest, true},
		{"both-other-client", Step{By: SrcDestIP}, "192.0.2.8", dest, false},
		{"both-other-address", Step{By: SrcDestIP}, first, "203.0.113.2", false},
		{"both-client-in-network", Step{By: SrcDestIP, Prefix4: 24}, "192.0.2.8", dest, true},
		{"both-client-outside", Step{By: SrcDestIP, Prefix4: 24}, "192.0.3.8", dest, false},
		{"both-network-other-address", Step{By: SrcDestIP, Prefix4: 24}, first, "203.0.113.2", false},
		{"both-exchanged", Step{By: SrcDestIP}, dest, first, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, []Step{tt.step})
			s.relays(callFrom(first, dest))
			s.choose = cas2
			if _, got := s.relays(callFrom(tt.source, tt.dest)); (got == cas1) != tt.same {
				t.Errorf("%s to %s comes to server %d; want that of %s to %s: %v", tt.source, tt.dest, got, first, dest, tt.same)
			}
		})
	}
}

// S42, S43: of an IPv6 client its network counts, of the address called all.
func TestDestinationStepsIPv6(t *testing.T) {
	s := newSite(t, []Step{{By: SrcDestIP}})
	s.relays(callFrom("2001:db8::1", "2001:db8:1::10"))
	s.choose = cas2
	if _, got := s.relays(callFrom("2001:db8::2", "2001:db8:1::10")); got != cas1 {
		t.Errorf("another address of the client comes to server %d; want 1", got)
	}
	if _, got := s.relays(callFrom("2001:db8::1", "2001:db8:1::11")); got != cas2 {
		t.Errorf("a call to another address comes to server %d; want 2", got)
	}
}

// A step without its address yields no key, and what would need a head yields
// none on a relayed connection.
func TestStepsWithoutTheirInput(t *testing.T) {
	steps := []Step{{By: DestIP}, {By: SrcDestIP}, {By: RPCAssociation}, {By: Mailbox}}
	for _, tt := range []struct {
		name    string
		request *Request
		want    [4]Use
	}{
		{"nothing", callFrom("", ""), [4]Use{Absent, Absent, Absent, Empty}},
		{"client", callFrom("192.0.2.7", ""), [4]Use{Absent, Absent, Absent, Empty}},
		{"called", callFrom("", "203.0.113.1"), [4]Use{Unbound, Absent, Absent, Empty}},
		{"association-of-nobody", &Request{Association: 7}, [4]Use{Absent, Absent, Absent, Empty}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, steps)
			var w Walk
			s.chain.Walk(s.now, tt.request, s, &w)
			for i, rd := range w.Readings[:w.N] {
				if rd.Use != tt.want[i] || rd.Key.IsZero() != (rd.Use != Unbound) {
					t.Errorf("%s: %q, key %v; want %q", s.chain.StepName(i), rd.Use, rd.Key, tt.want[i])
				}
			}
		})
	}
}

func TestRelayStepsDoNotAllocate(t *testing.T) {
	s := newSite(t, []Step{{By: RPCAssociation}, {By: SrcDestIP}, {By: DestIP}, {By: SourceIP}})
	r := callFrom("192.0.2.7", "203.0.113.1")
	r.Association = 7
	var w Walk
	n := testing.AllocsPerRun(500, func() {
		s.pass(time.Second)
		s.chain.Walk(s.now, r, s, &w)
		s.chain.Bind(s.now, &w, cas1)
		s.chain.Associate(s.now, &w, r)
		s.chain.Touch(s.now, &w)
	})
	if n != 0 || w.N != 4 || w.Server != cas1 {
		t.Errorf("%v allocations, %d readings, server %d; want 0, 4, 1", n, w.N, w.Server)
	}
}
