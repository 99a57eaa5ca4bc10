package node

import (
	"fmt"
	"testing"
)

// Behind a bridge the TLS of a pool is that of the probes: what clients say is
// passed on as it is, to the port of HTTPS, and another VIP of the pool encrypts.
func TestBridgeAddsNoTLS(t *testing.T) {
	snap, vips := built(t, fmt.Sprintf(poolText, "192.0.2.11", "[2001:db8::12]:1443", "upstream_tls = \"on\"\ntls = { verify = false }")+
		fmt.Sprintf(vipText, "mail")+
		"[[vip]]\nname = \"bridge\"\ntype = \"ssl_bridge\"\nlisten = [\"127.0.0.1:0\"]\nprofiles = [\"owa\"]\npool = \"cas\"\n")
	passed, encrypted := vips["bridge"].Profiles[0], vips["mail"].Profiles[0]
	for i, want := range []string{"192.0.2.11:443", "[2001:db8::12]:1443"} {
		p, e := passed.Candidates[i], encrypted.Candidates[i]
		if p.Endpoint.TLS != nil || p.Endpoint.Target != want || e.Endpoint.TLS == nil || e.Endpoint.Target != want {
			t.Errorf("the bridge reaches %s (TLS %v), the other VIP %s (TLS %v); want %s, in TLS of casbah's own for the other alone",
				p.Endpoint.Target, p.Endpoint.TLS != nil, e.Endpoint.Target, e.Endpoint.TLS != nil, want)
		}
		if p.Service != e.Service {
			t.Error("two VIPs of one pool and profile have two services on a server")
		}
	}
	if len(snap.plans) != 2 || snap.plans[0].endpoint.TLS == nil {
		t.Errorf("%d probes; want one for each server, by TLS", len(snap.plans))
	}
	if vips["bridge"].Secure {
		t.Error("the bridge ends TLS")
	}
}
