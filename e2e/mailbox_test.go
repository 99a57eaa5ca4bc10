package e2e

import (
	"encoding/base64"
	"fmt"
	"testing"
)

// A client of MAPI over HTTP stays on its server from whatever address it comes
// and however it names its mailbox; without a name its address counts.
func TestMailboxKeepsItsServer(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m}, "mapi")
		const path = "/mapi/emsmdb/"
		basic := func(user string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":secret"))
		}
		home := r.from("127.0.0.2", path, "Authorization", basic("alice@example.org")).server
		for i, header := range [][2]string{
			{"Authorization", basic("Alice@Example.ORG")},
			{"Authorization", basic(`example.org\alice`)},
			{"Authorization", basic(`EXAMPLE\alice@example.org`)},
			{"X-AnchorMailbox", "alice@example.org"},
			{"X-AnchorMailbox", "SMTP:ALICE@example.org"},
		} {
			r.sticks(header[1], home, fmt.Sprintf("127.0.7.%d", i+1), path, header[:]...)
		}
		id := path + "?MailboxId=0f7b2b6a-1c55-4d0e-9a3c-6b1f0c5a7d11%40example.org"
		other := r.from("127.0.8.1", id).server
		r.sticks("the number of a mailbox", other, "127.0.8.2", id)
		r.sticks("an address without a mailbox", home, "127.0.0.2", path)
		steps := make(map[string]int)
		for _, d := range r.decisions() {
			steps[d.Step+" "+d.Why]++
		}
		if steps["mailbox bound"] != 24 || steps["source_ip bound"] != 4 || steps[" fresh"] != 2 {
			t.Errorf("decisions %v; want 24 by mailbox, 4 by source_ip, 2 fresh", steps)
		}
	})
}
