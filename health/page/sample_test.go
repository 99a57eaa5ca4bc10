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
		Traffic:    page.Traffic{Requests: 41.6, In: 52_000, Out: 1_250_000, History: []float64{10, 40, 20}},
		Changeable: true, ConnHistory: []float64{80, 100, 120}, BindingHistory: []float64{2000, 2500, 3000},
		Checked: noon.Add(-2 * time.Hour),
		Decided: []page.Decision{{
			At: noon.Add(-time.Minute), VIP: "mail", Profile: "owa", Client: "192.0.2.77", Server: "cas1", Why: "rebound_down",
			Text:  "the binding was to cas2, which is down; least_conn chose cas1",
			Steps: []page.Step{{Name: "source_ip", Found: "bound", Server: "cas2"}, {Name: "header Authorization", Found: "absent"}},
		}},
		Table:  page.Table{Bindings: 3000, Capacity: 10_000, Unconfirmed: 7, Evictions: 2, Refusals: 1, Oldest: 2 * time.Hour, Bytes: 240_000},
		Events: []page.Event{{At: noon.Add(-time.Hour), Kind: "reload", Text: "configuration reloaded"}},
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
		Outlook: &page.Outlook{Conns: 20, Channels: 41, Splits: []page.Count{{Name: "addresses", N: 3}}},
		Protocols: []page.Protocol{
			{
				Name: "owa", Measured: true, Requests: 1_900_000, Answers: []page.Count{{Name: "2xx", N: 1_890_000}}, Rebinds: []page.Count{{Name: "down", N: 4}},
				Traffic: page.Traffic{Requests: 40, History: []float64{10, 40, 20}, Median: 4 * time.Millisecond, Most: 240 * time.Millisecond, Slow: []float64{0.1, 0.24, 0.2}},
				Kept:    []string{"insert_cookie", "source_ip"}, Timeout: 8 * time.Hour, Inserted: &page.Inserted{Name: "CASBAH_ABCD", Version: 1, Timeout: 2 * time.Minute},
			},
			{
				Name: "eas", Measured: true, Kept: []string{"header Authorization"}, Timeout: 30 * time.Minute,
				Override: &page.Override{Minutes: 30, Since: noon.Add(-time.Hour), Who: "ann", Why: "the table fills up"},
			},
		},
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
