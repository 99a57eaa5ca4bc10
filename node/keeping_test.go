package node

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/persistence"
)

// fill binds so many addresses that nobody has, used ten minutes ago.
func (r *rig) fill(n int) {
	r.t.Helper()
	chain, err := persistence.NewChain(persistence.Config{
		Scope: "filling", Steps: []persistence.Step{{By: persistence.SourceIP}},
		Table: r.live.table, Secret: r.live.secret, Timeout: time.Hour,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	now := time.Now().Add(-10 * time.Minute).UnixNano()
	addr := netip.MustParseAddr("10.0.0.0")
	for range n {
		var w persistence.Walk
		addr = addr.Next()
		chain.Walk(now, &persistence.Request{Source: addr}, anyServer{}, &w)
		chain.Bind(now, &w, 1)
	}
}

// A full table is told of once a minute in the log, with figures by VIP, and
// once an hour in the events.
func TestFullTableIsToldOf(t *testing.T) {
	one, two := namedServer(t, "one"), namedServer(t, "two")
	evicts := fmt.Sprintf(vipText, "mail")
	refuses := fmt.Sprintf(vipText, "other") + "table_full = \"refuse\"\n"
	r := newRig(t, t.TempDir(), "limits = { bindings = 1000 }\n"+fmt.Sprintf(poolText, one.addr, two.addr, "")+evicts+refuses+unprobed)
	r.until("the services are up", func() bool { up, _ := r.VIPUp("mail"); return up })
	capacity := r.Status().Table.Capacity
	now := time.Now()
	k := newKeeping(now)
	r.fill(capacity)
	look := func() (event, log string) {
		before := len(r.log.String())
		now = now.Add(lookEvery)
		r.lookAtTable(t.Context(), now, k)
		return fmt.Sprint(r.events.newest()[0]), r.log.String()[before:]
	}
	if _, log := look(); strings.Contains(log, "full") {
		t.Errorf("a table without a refusal is told of: %s", log)
	}
	for i := range 5 {
		r.ask(i + 1)
	}
	for i := range 3 {
		r.askVIP("other", i+6)
	}
	want := "since the last look 5 bindings made room for new ones, and 3 new ones found none (mail 5 and 0, other 0 and 3)"
	if event, log := look(); !strings.Contains(event, want) || !strings.Contains(log, want) || !strings.Contains(event, "the table is full") {
		t.Errorf("event %q, log %q; want %q", event, log, want)
	}
	for _, v := range r.Status().VIPs {
		if want := map[string][2]uint64{"mail": {5, 0}, "other": {0, 3}}[v.Name]; v.Evictions != want[0] || v.Refusals != want[1] {
			t.Errorf("%s: %d evictions, %d refusals; want %v", v.Name, v.Evictions, v.Refusals, want)
		}
	}
	if st := r.Status().Table; st.Evictions != 5 || st.Refusals != 3 {
		t.Errorf("%+v; want 5 evictions, 3 refusals", st)
	}
	events := len(r.events.newest())
	if _, log := look(); strings.Contains(log, "full") {
		t.Errorf("nothing new, and yet %q", log)
	}
	r.ask(9)
	if _, log := look(); !strings.Contains(log, "1 bindings made room") || len(r.events.newest()) != events {
		t.Errorf("log %q and %d more events; want one line, no event", log, len(r.events.newest())-events)
	}
	now = now.Add(repeatEvery)
	r.ask(10)
	if event, _ := look(); !strings.Contains(event, "1 bindings made room") {
		t.Errorf("event %q; want one again after an hour", event)
	}
}
