package e2e

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"

	"casbah/node"
)

// A backup serves while no ordinary server is up, keeps the clients that came
// then, and gets no new ones once the ordinary server is back.
func TestBackupServesInPlaceOfOthers(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, m mode) {
		servers := []*narrow{newNarrow(t, 0), newNarrow(t, 0)}
		r := newRig(t, setup{mode: m, servers: []string{servers[0].http, servers[1].http}, profiles: `"web"`, pool: "backup = [\"cas2\"]\n", extra: `
[profile.web]
protocol = "http"
paths = ["/"]
idle_timeout = "60s"
chain = [{ by = "source_ip" }]
probe = { path = "/probe", interval = "1s", timeout = "500ms", rise = 1, fall = 1 }
`})
		served := func(source string) int {
			before := servers[1].byHTTP.served.Load()
			c := r.client(source)
			resp, err := c.Get(c.base + "/asks")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s, %v", resp.Status, err)
			}
			if servers[1].byHTTP.served.Load() > before {
				return 2
			}
			return 1
		}
		pool := func() node.PoolStatus { return r.node.Status().Pools[0] }
		expect := func(when, source string, want int) {
			t.Helper()
			if got := served(source); got != want {
				t.Errorf("%s the client %s is served by cas%d; want cas%d", when, source, got, want)
			}
		}
		for _, source := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"} {
			expect("with all up", source, 1)
		}
		if p := pool(); len(p.BackedUp) != 0 || p.Servers[0].Backup || !p.Servers[1].Backup {
			t.Errorf("status with all up: %+v", p)
		}
		servers[0].sick.Store(true)
		r.until("the backup is used", func() bool { return slices.Equal(pool().BackedUp, []string{"web"}) })
		expect("with cas1 down", "127.0.0.2", 2)
		expect("with cas1 down", "127.0.0.5", 2)
		servers[0].sick.Store(false)
		r.until("the backup is not used", func() bool { return len(pool().BackedUp) == 0 })
		expect("with cas1 back", "127.0.0.2", 2) // where it is bound
		expect("with cas1 back", "127.0.0.6", 1)
		whys := make(map[string]int)
		for _, rec := range r.logged(7) {
			whys[*rec.Why]++
		}
		if want := map[string]int{"fresh": 4, "rebound_down": 1, "backup": 1, "bound": 1}; !maps.Equal(whys, want) {
			t.Errorf("the records say %v; want %v", whys, want)
		}
	})
}
