package node

import (
	"net/netip"
	"testing"
	"time"

	"casbah/persistence"
)

// BindAddresses has the chain of a profile bind so many addresses, which begin
// with first, to the servers of its pool in turn.
func (n *Node) BindAddresses(tb testing.TB, vip, profile string, first netip.Addr, count int) {
	tb.Helper()
	for _, v := range n.snap.Load().vips {
		for _, p := range v.route.Profiles {
			if v.conf.Name != vip || p.Name != profile {
				continue
			}
			now, addr := time.Now().UnixNano(), first
			var w persistence.Walk
			for i := range count {
				p.Chain.Walk(now, &persistence.Request{Source: addr}, anyServer{}, &w)
				p.Chain.Bind(now, &w, p.Candidates[i%len(p.Candidates)].Service.Server.ID)
				addr = addr.Next()
			}
			return
		}
	}
	tb.Fatalf("no profile %s on a VIP %s", profile, vip)
}

// StartForTest starts a node that serves text from a directory of its own.
func StartForTest(tb testing.TB, text string) *Node {
	tb.Helper()
	return newRig(tb, tb.TempDir(), text).Node
}
