package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"casbah/node"
)

// S2 S3: which addresses carry many clients, how many, and whether they can be
// balanced one by one.
func TestSharedJSON(t *testing.T) {
	f := newFake()
	st := f.status()
	st.SharedDisplaced = 4
	st.Shared = []node.SharedStatus{
		{
			Address: "203.0.113.5", Scope: "group owa_ecp pool cas", Profiles: []string{"owa", "ecp"}, Clients: 1489,
			Since: noon.In(time.FixedZone("x", 3600)), By: "counted", Balanceable: true,
		},
		{Address: "2001:db8::/64", Scope: "vip rpc pool cas profile rpc_client_access", Since: noon, By: "shared_networks"},
	}
	f.status = func() node.Status { return st }
	h := New(f, Options{Loopback: true})
	w := ask{method: "GET", path: "/api/v1/shared"}.of(h)
	const want = `{"displaced": 4, "shared": [
		{"address": "203.0.113.5", "scope": "group owa_ecp pool cas", "profiles": ["owa", "ecp"], "clients": 1489,
		 "since": "2026-03-04T12:00:00Z", "by": "counted", "balanceable": true},
		{"address": "2001:db8::/64", "scope": "vip rpc pool cas profile rpc_client_access", "profiles": [], "clients": 0,
		 "since": "2026-03-04T12:00:00Z", "by": "shared_networks", "balanceable": false}]}`
	if diff := cmp.Diff(decoded(t, want), decoded(t, w.Body.String())); diff != "" {
		t.Errorf("shared (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Shared{All: 2, NotBalanceable: 1}, statusOf(&st).Shared); diff != "" {
		t.Errorf("in the status (-want +got):\n%s", diff)
	}
	if page := (ask{method: "GET", path: "/"}).of(h).Body.String(); !strings.Contains(page, "Shared addresses") || !strings.Contains(page, "203.0.113.5") {
		t.Error("the page does not show them")
	}
	if none := (ask{method: "GET", path: "/api/v1/shared"}).of(New(newFake(), Options{Loopback: true})).Body.String(); !strings.Contains(none, `"shared": []`) {
		t.Errorf("without any: %s", none)
	}
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
