package persistence

import (
	"fmt"
	"testing"
)

// S32: a request that names its server, be it by casbah's cookie, in its URL or by
// a server's own ID, takes nothing of the table: it works for any number of
// clients where the table holds two bindings, and they are others'.
func TestKeysThatNameTheServerKeepNoState(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 2, Cores: 1})
	s := newSite(t, []Step{{By: InsertCookie, Insert: Insert{Name: "OWN"}}, {By: URLServerID, Name: "sid="}, {By: CustomServerID, Name: "node", In: InQuery}},
		reachedAt("192.168.100.16:80", "192.168.100.16:81", "192.168.100.17:80"), withOwnIDs("one", "two", "three"),
		func(c *Config) { c.Table, c.Full = table, Refuse })
	bindAt(table, sec0, 1, cas1, true)
	bindAt(table, sec0, 2, cas2, true)
	cookie := s.send(client{}, answer{}).issued()
	for n := range 5000 {
		addr := fmt.Sprintf("10.1.%d.%d", n>>8, n&255)
		for what, r := range map[string]*Request{
			"cookie": asking(t, addr, "/", "Cookie: "+cookie), "url": asking(t, addr, "/?sid=c0a864100050"), "id": asking(t, addr, "/?node=one"),
		} {
			var w Walk
			s.chain.Walk(s.now, r, s, &w)
			s.chain.Bind(s.now, &w, w.Server)
			if w.Server != cas1 || w.Why != Bound {
				t.Fatalf("client %d by its %s goes to %d, %v; want %d, bound", n, what, w.Server, w.Why, cas1)
			}
		}
	}
	if st := table.Stats(s.now); st.Bindings != 2 || st.Refusals != 0 || st.Evictions != 0 {
		t.Errorf("table: %+v; want the two bindings of before, and nobody refused", st)
	}
}
