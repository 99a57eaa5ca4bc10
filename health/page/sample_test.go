package page_test

import (
	"fmt"
	"time"

	"casbah/health/page"
)

// noon is the time of every sample.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// sample is a site with two servers and three protocols, all well.
func sample() *page.View {
	v := &page.View{
		Version: "1.0.0", Config: "/etc/casbah/casbah.toml", Ready: true,
		Now: noon, Started: noon.Add(-26 * time.Hour), Loaded: noon.Add(-time.Hour),
		Conns: 120, ConnLimit: 1000,
		Traffic: page.Traffic{Requests: 41.6, In: 52_000, Out: 1_250_000, History: []float64{10, 40, 20}},
		Table:   page.Table{Bindings: 3000, Capacity: 10_000, Unconfirmed: 7, Evictions: 2, Refusals: 1, Oldest: 2 * time.Hour, Bytes: 240_000},
		Events:  []page.Event{{At: noon.Add(-time.Hour), Kind: "reload", Text: "configuration reloaded"}},
	}
	pool := page.Pool{Name: "cas", Algorithm: "least_conn", UpstreamTLS: "off"}
	for i := 1; i <= 2; i++ {
		s := page.Server{Name: fmt.Sprintf("cas%d", i), Address: fmt.Sprintf("192.0.2.1%d:80", i), Weight: 100, Active: 12, Bindings: 1500}
		for _, name := range []string{"owa", "eas", "outlook_anywhere"} {
			s.Services = append(s.Services, page.Service{
				Profile: name, State: page.Up, Since: noon.Add(-26 * time.Hour), LastProbe: noon.Add(-3 * time.Second),
				Probe: "GET /" + name, ProbeTime: 4 * time.Millisecond, Active: 4, Requests: 1000, Failures: 1, Latency: 12 * time.Millisecond,
			})
		}
		pool.Servers = append(pool.Servers, s)
	}
	v.Pools = []page.Pool{pool}
	v.VIPs = []page.VIP{{
		Name: "mail", Type: "https", Pool: "cas", Listen: []string{"192.0.2.10:443"}, Profiles: []string{"owa", "eas", "outlook_anywhere"},
		Up: true, Conns: 120, Accepted: 900, Requests: 2_000_000, Traffic: v.Traffic,
		Answers: []page.Count{{Name: "2xx", N: 1_990_000}, {Name: "5xx", N: 31}},
		Refused: []page.Count{{Name: "path", N: 5}}, Ends: []page.Count{{Name: "done", N: 1_999_000}}, Pins: 80,
	}}
	return v
}

// set changes the state of one service of the sample.
func set(v *page.View, server, service int, st page.State, said string) {
	s := &v.Pools[0].Servers[server].Services[service]
	s.State, s.Since, s.ProbeError = st, noon.Add(-90*time.Second), said
}

// setAll changes the state of all services of one server.
func setAll(v *page.View, server int, st page.State, said string) {
	for i := range v.Pools[0].Servers[server].Services {
		set(v, server, i, st, said)
	}
}
