package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"casbah/health/page"
)

// sharedSample has more shared addresses than are shown; the last one is not
// balanceable.
func sharedSample() *page.View {
	v := sample()
	for n := range 14 {
		v.Shared = append(v.Shared, page.Shared{
			Address: fmt.Sprintf("203.0.113.%d", n), Scope: "group owa_ecp pool cas", Profiles: []string{"owa", "ecp"},
			Clients: 1500 - 100*n, Since: noon.Add(-70 * time.Minute), By: "counted", Balanceable: true,
		})
	}
	v.Shared = append(v.Shared, page.Shared{
		Address: "2001:db8:1:2::/64", Scope: "vip <rpc> pool cas", Profiles: []string{"rpc_client_access"}, Since: noon.Add(-time.Minute), By: "shared_networks",
	})
	return v
}

// S2 S3: the page shows the addresses that carry many clients and how many, first
// those whose clients cannot be told apart. Without any it says nothing of it.
func TestSharedAddresses(t *testing.T) {
	got := render(t, sharedSample())
	part := got[strings.Index(got, `<h2 id="h-shared">`):]
	part = part[:strings.Index(part, "</section>")]
	for _, want := range []string{
		"about 1,500", "203.0.113.0", "not balanceable", "one by one", "none counted", "vip &lt;rpc&gt; pool cas", "shared_<wbr>networks",
		"1 h 10 min", "and 3 more, in /api/v1/shared", "Not balanceable: requests do not show who they are of",
	} {
		if !strings.Contains(part, want) {
			t.Errorf("the section lacks %q", want)
		}
	}
	if a, b := strings.Index(part, "2001:db8"), strings.Index(part, "203.0.113.0<"); a < 0 || a > b {
		t.Error("what is not balanceable does not come first")
	}
	if strings.Contains(part, "203.0.113.12<") {
		t.Error("more than twelve addresses are shown")
	}
	if strings.Contains(render(t, sample()), "Shared addresses") {
		t.Error("the section is there without any shared address")
	}
}
