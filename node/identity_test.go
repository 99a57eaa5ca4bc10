package node

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/route"
)

// A request that was stopped before another client's connection is counted, logged as
// an error and an event for whoever looks.
func TestForeignConnectionIsToldOf(t *testing.T) {
	r := newRig(t, t.TempDir(), fmt.Sprintf(poolText+vipText, noServer(t), noServer(t), "", "mail")+unprobed)
	v := r.snap.Load().vips[0].route
	at := time.Now()
	f := route.Foreign{
		At: at.UnixNano(), VIP: "mail", Profile: "owa", Server: "cas1", Client: netip.MustParseAddrPort("192.0.2.7:40000"), Pinned: true,
	}
	v.Foreign(f)
	f.At += 5e9
	v.Foreign(f) // too soon to be told of
	f.At, f.Pinned, f.Server = at.Add(10*time.Second).UnixNano(), false, "cas2"
	v.Foreign(f)
	events := func() (texts []string) {
		for _, e := range r.Status().Events {
			if e.Kind == "identity" {
				texts = append(texts, e.Text)
			}
		}
		return texts
	}
	r.until("both are told of", func() bool { return len(events()) == 2 })
	for i, want := range []string{
		"vip mail: profile owa: a request from 192.0.2.7:40000 was about to leave on a connection to cas2 that was taken for a connection that never carried an identity",
		"vip mail: profile owa: a request from 192.0.2.7:40000 was about to leave on a connection to cas1 that was taken for the client's own",
	} { // the newest first
		if got := events()[i]; !strings.HasPrefix(got, want) || !strings.Contains(got, "nothing was sent") {
			t.Errorf("event %q; want it to begin with %q", got, want)
		}
	}
	if ids := r.Status().VIPs[0].Identities; ids.Faults != 3 {
		t.Errorf("%d faults in status; want 3", ids.Faults)
	}
	if got := r.log.String(); strings.Count(got, `"level":"error"`) != 2 || !strings.Contains(got, `"event":"identity"`) {
		t.Errorf("log:\n%s\nwant two errors of event identity", got)
	}
}
