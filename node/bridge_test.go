package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"casbah/balance"
	"casbah/route"
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

const routedText = "[[server]]\nname = \"app1\"\naddress = \"192.0.2.21\"\n[[pool]]\nname = \"app\"\nservers = [\"app1\", \"cas1\"]\nupstream_tls = \"on\"\ntls = { verify = false }\npanic_below = 90\n" +
	"[[vip]]\nname = \"bridge\"\ntype = \"ssl_bridge\"\nlisten = [\"127.0.0.1:0\"]\nprofiles = [\"owa\"]\npool = \"cas\"\nhosts = [\"mail.example.org\"]\n" +
	"[[vip.route]]\nhosts = [\"*.app.example.org\", \"app.example.org\"]\npool = \"app\"\n" +
	"[[vip.route]]\nhosts = [\"other.example.org\"]\npool = \"app\"\n" +
	"[[vip.route]]\nhosts = [\"ews.example.org\"]\npool = \"app\"\nprofile = \"ews\"\n" +
	"[[vip.route]]\nhosts = [\"x.app.example.org\"]\npool = \"cas\"\n"

// Each pool and profile of a bridge has its services, its probes and its bindings:
// those of one never name a server of another, and routes to one pool share them.
func TestRoutesOfABridge(t *testing.T) {
	pool := fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "upstream_tls = \"on\"\ntls = { verify = false }")
	snap, vips := built(t, pool+routedText)
	v := vips["bridge"]
	own, app, ews := v.Profiles[0], v.ByName([]byte("app.example.org")), v.ByName([]byte("ews.example.org"))
	if len(v.Profiles) != 3 || app == own || ews == own || app == ews || ews.Name != "ews" || app.Name != "owa" {
		t.Fatalf("the bridge has %d profiles: %s, %s, %s", len(v.Profiles), own.Name, app.Name, ews.Name)
	}
	for name, want := range map[string]*route.Profile{
		"mail.example.org": own, "y.app.example.org": app, "other.example.org": app, "x.app.example.org": own, "no.example.org": nil, "": nil,
	} {
		if got := v.ByName([]byte(name)); got != want {
			t.Errorf("%q is served by %+v", name, got)
		}
	}
	scopes := make(map[string]bool)
	for _, p := range v.Profiles {
		scopes[p.Names.Scope] = true
	}
	if len(scopes) != 3 {
		t.Errorf("the bindings are shared in %v; want three scopes", scopes)
	}
	if own.Traffic == app.Traffic || own.Traffic.Pool != "cas" || app.Traffic.Pool != "app" {
		t.Errorf("what is counted of the two pools: %s, %s", own.Traffic.Pool, app.Traffic.Pool)
	}
	if own.PanicBelow != 0 || app.PanicBelow != 90 || own.Candidates[0].Service == app.Candidates[1].Service ||
		app.Candidates[0].Endpoint.Name != "app1" || app.Candidates[0].Endpoint.TLS != nil || app.Candidates[0].Endpoint.Target != "192.0.2.21:443" {
		t.Errorf("pool cas has %+v, pool app %+v", own.Candidates, app.Candidates)
	}
	hosts := make(map[string]string)
	for i := range snap.plans {
		k := snap.plans[i].key
		hosts[k.pool+" "+k.profile+" "+k.server] = snap.plans[i].host
	}
	want := map[string]string{
		"cas owa cas1": "mail.example.org", "cas owa cas2": "mail.example.org",
		"app owa app1": "app.example.org", "app owa cas1": "app.example.org",
		"app ews app1": "ews.example.org", "app ews cas1": "ews.example.org",
	}
	if diff := cmp.Diff(want, hosts); diff != "" {
		t.Errorf("hosts of the probes (-want +got):\n%s", diff)
	}
	if got := addressOf(snap, "app", &snap.config.Servers[2]); got != "192.0.2.21:443" {
		t.Errorf("the status shows %s; want the port of pool app", got)
	}
	app.Candidates[0].Service.SetState(time.Now(), balance.Down)
	app.Candidates[1].Service.SetState(time.Now(), balance.Up)
	panicking := func(pool string) []string { return profilesOf(snap, pool, (*route.Profile).Panics) }
	if got := panicking("app"); !slices.Equal(got, []string{"owa"}) || panicking("cas") != nil {
		t.Errorf("pool app panics for %v, pool cas for %v; want owa alone", got, panicking("cas"))
	}
}

// A question to a bridge is answered by the name in its URL.
func TestExplainRoutes(t *testing.T) {
	pool := fmt.Sprintf(poolText, "192.0.2.11", "192.0.2.12", "upstream_tls = \"on\"\ntls = { verify = false }")
	snap, _ := built(t, pool+routedText)
	for _, tt := range []struct{ url, vip, pool, why string }{
		{"tcp://mail.example.org:443", "", "cas", "fresh"},
		{"tcp://APP.example.org.:443", "", "app", "fresh"},
		{"tcp://one.app.example.org:443", "bridge", "app", "fresh"},
		{"tcp://no.example.org:443", "", "", "host"},
	} {
		e, err := snap.explain(time.Now(), &Question{URL: tt.url, From: "192.0.2.99", VIP: tt.vip})
		if err != nil || e.VIP != "bridge" || e.Pool != tt.pool || e.Why != tt.why || e.Host == "" || e.Text == "" || strings.Contains(strings.Join(e.Notes, " "), "no name") || (e.Server == "") != (tt.pool == "") {
			t.Errorf("%s is explained as %+v, %v; want pool %q, %s", tt.url, e, err, tt.pool, tt.why)
		}
	}
	e, err := snap.explain(time.Now(), &Question{URL: "tcp://127.0.0.1:443", From: "192.0.2.99"})
	if err != nil || e.Pool != "cas" || !strings.Contains(strings.Join(e.Notes, " "), "the URL has no name") {
		t.Errorf("without a name it is explained as %+v, %v; want a note", e, err)
	}
}
