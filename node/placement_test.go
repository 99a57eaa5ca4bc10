package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"casbah/internal/httphead"
	"casbah/route"
)

// asked answers a request for a mailbox as a server does that tells where that is.
func (r *rig) asked(user, home string) {
	r.t.Helper()
	var head httphead.Request
	if err := head.Parse([]byte("POST /owa/ HTTP/1.1\r\nHost: h\r\nX-AnchorMailbox: " + user + "\r\n\r\n")); err != nil {
		r.t.Fatal(err)
	}
	var resp httphead.Response
	if err := resp.Parse([]byte("HTTP/1.1 200 OK\r\nX-FEServer: CAS1\r\nX-BEServer: " + home + "\r\n\r\n")); err != nil {
		r.t.Fatal(err)
	}
	p, now := r.snap.Load().vips[0].route.Profiles[0], time.Now().UnixNano()
	var d route.Decision
	p.Decide(now, &route.Request{Head: &head}, &d)
	if !d.Commit(now) {
		r.t.Fatal("no place")
	}
	d.Answer(now, time.Millisecond, &resp, nil)
	d.Release(now)
}

// What a pool learns of mailboxes is in its status, outlives reloads, is listed where
// it is asked for, and is no binding anywhere else.
func TestPlacementInStatusAndListings(t *testing.T) {
	const chain = "[[profile.owa.chain]]\nby = \"source_ip\"\n"
	text := fmt.Sprintf(poolText+vipText, noServer(t), noServer(t), `placement = "observe"`, "mail") + unprobed + chain
	r := newRig(t, t.TempDir(), text)
	r.asked("alice", "cas2")
	r.asked("alice", "CAS1")
	r.asked("bob", "elsewhere")
	r.write(strings.Replace(text, "observe", "prefer", 1))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := r.Status()
	if p := st.Pools[0].Placement; p == nil || *p != (PlacementStatus{Mode: "prefer", Told: 3, Crossed: 2, Unknown: 1}) {
		t.Errorf("placement %+v; want 3 told, 2 crossed, 1 unknown", p)
	}
	if st.Table.Placements != 1 || st.Pools[0].Servers[0].Bindings+st.Pools[0].Servers[1].Bindings != st.Table.Bindings {
		t.Errorf("table %+v, servers %+v", st.Table, st.Pools[0].Servers)
	}
	list := func(f BindingFilter) (rows []string) {
		if err := r.Bindings(&f, func(b *Binding) bool {
			rows = append(rows, strings.Join(b.Owner.Scopes, " ")+" "+b.Owner.Step()+" "+b.Server)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if got := list(BindingFilter{Step: "placement"}); len(got) != 1 || got[0] != "pool cas placement cas1" {
		t.Errorf("places %q; want that of alice on cas1", got)
	}
	for _, f := range []BindingFilter{{}, {VIP: "mail"}, {Profile: "owa"}, {Server: "cas1"}} {
		for _, row := range list(f) {
			if strings.Contains(row, "placement") {
				t.Errorf("filter %+v lists %q", f, row)
			}
		}
	}
	if _, err := r.DeleteBindings(&BindingFilter{}); err != nil || r.Status().Table.Placements != 1 {
		t.Errorf("%v; %d places left; want 1", err, r.Status().Table.Placements)
	}
	if n, err := r.DeleteBindings(&BindingFilter{Step: "placement"}); err != nil || n != 1 {
		t.Errorf("%d deleted, %v; want the one place", n, err)
	}
	r.write(strings.Replace(text, "observe", "off", 1))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.Status().Pools[0].Placement != nil {
		t.Error("a pool that does not ask tells of places")
	}
}
