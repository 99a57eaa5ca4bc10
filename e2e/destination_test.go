package e2e

import (
	"fmt"
	"net"
	"testing"
)

// calledVIP is a VIP with two addresses, whose chain is one step.
const calledVIP = `[[vip]]
name = "called"
type = "tcp"
listen = ["127.0.0.1:0", "127.0.0.2:0"]
profiles = ["site"]
pool = "cas"
[profile.site]
protocol = "tcp"
ports = [1]
probe = { kind = "none" }
chain = [{ %s }]
`

// newCalled starts casbah, balancing by turns over two servers, and returns it as
// it is called by its first and by its second address.
func newCalled(t *testing.T, m mode, step string) (first, second *rig) {
	t.Helper()
	_, addresses := origins(t, 2)
	r := newRelay(t, relaySetup{mode: m, servers: addresses, extra: unprobedRPC + fmt.Sprintf(calledVIP, step)})
	var calls [2]*rig
	for i, a := range r.node.Addrs("called") {
		call := *r
		call.plain = a.String()
		calls[i] = &call
	}
	if host, _, _ := net.SplitHostPort(calls[1].plain); host != "127.0.0.2" {
		t.Fatalf("the second address is %s", calls[1].plain)
	}
	return calls[0], calls[1]
}

// S43: with dest_ip all clients of one address of the VIP are on one server.
func TestRelayByDestination(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		first, second := newCalled(t, m, `by = "dest_ip"`)
		home, other := first.visit("127.0.3.1"), second.visit("127.0.3.1")
		if home == other {
			t.Fatalf("both addresses are served by %s; want them in turn", home)
		}
		for i := range 6 {
			source := fmt.Sprintf("127.0.3.%d", i+1)
			if a, b := first.visit(source), second.visit(source); a != home || b != other {
				t.Errorf("%s is served by %s and %s; want %s and %s", source, a, b, home, other)
			}
		}
		bound := 0
		for _, rec := range first.logged(14) {
			if rec.Step != nil && rec.Why != nil && *rec.Step == "dest_ip" && *rec.Why == "bound" {
				bound++
			}
		}
		if bound != 12 {
			t.Errorf("%d of 14 connections are recorded as bound by dest_ip; want 12", bound)
		}
	})
}

// S42: with src_dest_ip a client has a server for each address that it calls; of
// its own address the prefix counts.
func TestRelayBySourceAndDestination(t *testing.T) {
	engines(t, func(t *testing.T, m mode) {
		first, second := newCalled(t, m, `by = "src_dest_ip", prefix4 = 24`)
		type home struct{ first, second string }
		homes := make(map[string]home)
		for _, network := range []string{"127.0.4", "127.0.5"} {
			homes[network] = home{first.visit(network + ".1"), second.visit(network + ".1")}
			if h := homes[network]; h.first == h.second {
				t.Errorf("%s is served by %s at both addresses; want them in turn", network, h.first)
			}
		}
		first.visit("127.0.6.1") // so that a turn less shows
		for i := range 8 {
			for network, want := range homes {
				source := fmt.Sprintf("%s.%d", network, i+1)
				if got := (home{first.visit(source), second.visit(source)}); got != want {
					t.Errorf("%s is served by %+v; want %+v", source, got, want)
				}
			}
		}
	})
}
