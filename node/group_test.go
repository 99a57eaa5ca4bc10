package node

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"casbah/balance"
	"casbah/route"
)

// S45: once the time of a group has passed without use, the algorithm is free to
// choose for the client again, for whichever member it comes to; until then use by
// one member keeps it for all.
func TestGroupEndsForAllMembers(t *testing.T) {
	const hour = "[profile.rpc_client_access]\nbinding_timeout = \"1h\"\n[profile.rpc_address_book]\nbinding_timeout = \"1h\"\n"
	_, vips := built(t, fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "algorithm = \"round_robin\"")+
		tcpVIP("ab", "127.0.0.1:0", "rpc_address_book")+tcpVIP("rpc", "127.0.0.1:0", "rpc_client_access")+hour)
	members := []*route.Profile{vips["rpc"].Profiles[0], vips["ab"].Profiles[0]}
	for _, p := range members {
		for i := range p.Candidates {
			p.Candidates[i].Service.SetState(time.Now(), balance.Up)
		}
	}
	now := time.Now()
	goes := func(member int, client string) (server, why string) {
		var d route.Decision
		members[member].Decide(now.UnixNano(), &route.Request{Source: netip.MustParseAddr(client)}, &d)
		d.Commit(now.UnixNano())
		d.Release(now.UnixNano())
		return d.Server(), d.Why()
	}
	home, _ := goes(0, "198.51.100.7")
	for n := range 6 { // in use, now here and now there
		now = now.Add(59 * time.Minute)
		if server, why := goes((n+1)%2, "198.51.100.7"); server != home || why != "bound" {
			t.Fatalf("after %d times 59 minutes the client goes to %s (%s); want %s", n+1, server, why, home)
		}
	}
	seen := make(map[string]bool)
	for n := range 4 {
		now = now.Add(time.Hour + 2*time.Second)
		server, why := goes(n%2, "198.51.100.7")
		if again, then := goes(1-n%2, "198.51.100.7"); why != "fresh" || again != server || then != "bound" {
			t.Errorf("behind the time: %s (%s), then %s (%s); want it chosen anew, and for both", server, why, again, then)
		}
		goes(n%2, fmt.Sprintf("198.51.100.%d", 100+n/2)) // so that the turns differ
		seen[server] = true
	}
	if len(seen) != 2 {
		t.Errorf("four times anew the client comes to %v; want both servers", seen)
	}
}
