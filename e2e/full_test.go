package e2e

import (
	"fmt"
	"net/http"
	"testing"
)

// S34: with the table full, who comes anew is served all the same, by whom the
// algorithm chooses each time, and who is bound stays.
func TestFullTableServesEverybody(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newMirrorRig(t, setup{mode: m, vip: `table_full = "refuse"`, extra: "[limits]\nbindings = 16\n"}, "oab")
		const path = "/OAB/x"
		first := r.from("127.0.0.2", path).server
		room := r.node.Status().Table.Capacity
		for i := range room {
			if a := r.from(fmt.Sprintf("127.0.%d.%d", 10+i/250, 1+i%250), path); a.status != http.StatusOK {
				t.Fatalf("client %d: status %d", i, a.status)
			}
		}
		st := r.node.Status().Table
		if st.Bindings < room*9/10 || st.Refusals == 0 || st.Evictions != 0 {
			t.Errorf("table %+v; want it full, and somebody refused", st)
		}
		r.sticks("bound before", first, "127.0.0.2", path)
		r.spread("refused", "127.0.9.9", path)
	})
}
