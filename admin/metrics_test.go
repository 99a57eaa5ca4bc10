package admin

import (
	"bytes"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"casbah/node"
)

// measured is newFake with figures in everything that has a metric.
func measured() *fake {
	f := newFake()
	st := f.status()
	waits := make([]uint64, len(node.WaitBounds())+1)
	waits[1], waits[3], waits[len(waits)-1] = 30, 8, 2
	v := &st.VIPs[0]
	v.Traffic = []node.TrafficStatus{
		{Status: map[string]uint64{"4xx": 2}, Requests: 2, Waits: make([]uint64, len(waits))},
		{
			Profile: "owa", Pool: "cas", Requests: 41, Status: map[string]uint64{"2xx": 39, "5xx": 1, "none": 1}, Waits: waits, Waited: 90 * time.Second,
			Rebinds: map[string]uint64{"down": 4, "left": 0},
		},
	}
	v.Certificates = append(v.Certificates, certificate("mail.pem", noon.Add(time.Hour)), certificate("mail.pem", noon.Add(time.Hour)))
	st.Engine.Lags = []time.Duration{time.Millisecond, 0}
	st.Pools[0].Servers[0].Services[0].Probes.Wrong = 3
	st.Shared = []node.SharedStatus{{Balanceable: true}, {Balanceable: false}, {Balanceable: true}}
	f.status = func() node.Status { return st }
	return f
}

func certificate(file string, end time.Time) (c node.CertificateStatus) {
	c.File, c.NotAfter = file, end
	return c
}

// scrape returns the answer of /metrics.
func scrape(t *testing.T, f *fake) string {
	t.Helper()
	w := ask{method: "GET", path: "/metrics"}.of(New(f, Options{Loopback: true}))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("/metrics = %d %s %.300s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	text := scrape(t, measured())
	for _, want := range []string{
		`casbah_build_info{version="1.0.0"} 1`,
		`casbah_ready 1`,
		`casbah_config_last_reload_successful 1`,
		`casbah_connections 3`,
		`casbah_leaving_connections{vip="old"} 2`,
		`casbah_panics_total 1`,
		`casbah_loop_connections{loop="1"} 2`,
		`casbah_loop_lag_seconds{loop="0"} 0.001`,
		`casbah_bindings 7`,
		`casbah_bindings_capacity 1000`,
		`casbah_bindings_evicted_total 2`,
		`casbah_bindings_save_failed 1`,
		`casbah_shared_addresses{balanceable="false"} 1`,
		`casbah_shared_addresses{balanceable="true"} 2`,
		`casbah_vip_up{vip="mail"} 1`,
		`casbah_requests_total{pool="cas",profile="owa",status="2xx",vip="mail"} 39`,
		`casbah_requests_total{pool="",profile="",status="4xx",vip="mail"} 2`,
		`casbah_response_seconds_bucket{pool="cas",profile="owa",vip="mail",le="0.0005"} 0`,
		`casbah_response_seconds_bucket{pool="cas",profile="owa",vip="mail",le="0.001"} 30`,
		`casbah_response_seconds_bucket{pool="cas",profile="owa",vip="mail",le="30"} 38`,
		`casbah_response_seconds_bucket{pool="cas",profile="owa",vip="mail",le="+Inf"} 40`,
		`casbah_response_seconds_sum{pool="cas",profile="owa",vip="mail"} 90`,
		`casbah_response_seconds_count{pool="cas",profile="owa",vip="mail"} 40`,
		`casbah_rebinds_total{pool="cas",profile="owa",reason="down",vip="mail"} 4`,
		`casbah_received_bytes_total{vip="mail"} 1000`,
		`casbah_refused_total{cause="path",vip="mail"} 2`,
		`casbah_ends_total{end="done",vip="mail"} 40`,
		`casbah_identity_relogins_total{vip="mail"} 12`,
		`casbah_identity_faults_total{vip="mail"} 13`,
		`casbah_cookie_clashes_total{by="client",vip="mail"} 7`,
		`casbah_rpc_connections_total{vip="mail"} 20`,
		`casbah_shield_requests_total{rule="traversal",vip="mail"} 4`,
		`casbah_rpc_channels_total{read="false",vip="mail"} 2`,
		`casbah_rpc_splits_total{cause="addresses",vip="mail"} 3`,
		`casbah_handshakes_total{resumed="true",version="TLS 1.3",vip="mail"} 6`,
		`casbah_certificate_expiry_timestamp_seconds{file="mail.pem",vip="mail"} 1.7726292e+09`,
		`casbah_pool_panic{pool="cas",profile="owa"} 1`,
		`casbah_placements 2`,
		`casbah_placement_told_total{pool="cas"} 100`,
		`casbah_placement_crossed_total{pool="cas"} 20`,
		`casbah_placement_unknown_total{pool="cas"} 3`,
		`casbah_placement_preferred_total{pool="cas"} 9`,
		`casbah_pool_panic{pool="cas",profile="eas"} 0`,
		`casbah_pool_backup{pool="cas",profile="eas"} 1`,
		`casbah_pool_backup{pool="cas",profile="owa"} 0`,
		`casbah_server_max_connections{pool="cas",server="cas1"} 50`,
		`casbah_server_queue{pool="cas",server="cas1"} 3`,
		`casbah_server_queue_waits_total{pool="cas",server="cas1"} 8`,
		`casbah_server_queue_wait_seconds_total{pool="cas",server="cas1"} 12`,
		`casbah_server_queue_refused_total{cause="queue_full",pool="cas",server="cas1"} 2`,
		`casbah_server_queue_refused_total{cause="queue_timeout",pool="cas",server="cas1"} 1`,
		`casbah_server_bindings{pool="cas",server="cas1"} 7`,
		`casbah_service_state{pool="cas",profile="owa",server="cas1",state="down"} 1`,
		`casbah_service_state{pool="cas",profile="owa",server="cas1",state="up"} 0`,
		`casbah_service_failures_total{pool="cas",profile="owa",server="cas1"} 2`,
		`casbah_probes_total{answer="wrong",pool="cas",profile="owa",server="cas1"} 3`,
		`casbah_probe_last_seconds{pool="cas",profile="owa",server="cas1"} 0.0015`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// What promtool check metrics would complain of.
func TestMetricsFollowTheConventions(t *testing.T) {
	text := scrape(t, measured())
	ours := regexp.MustCompile(`(?m)^.*casbah_.*\n`).FindAll([]byte(text), -1)
	problems, err := promlint.New(bytes.NewReader(bytes.Join(ours, nil))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

var metricName = regexp.MustCompile(`(?m)^# TYPE (casbah_\w+) `)

// docs/OPERATIONS.md lists each metric, and none that is not there. Each is
// emitted by a node that has something of everything.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	emitted := make(map[string]bool)
	for _, m := range metricName.FindAllStringSubmatch(scrape(t, measured()), -1) {
		emitted[m[1]] = true
		if !strings.Contains(string(doc), "| `"+m[1]+"`") {
			t.Errorf("docs/OPERATIONS.md does not list %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(casbah_\\w+)`").FindAllStringSubmatch(string(doc), -1) {
		if !emitted[m[1]] {
			t.Errorf("docs/OPERATIONS.md lists %s, which is not emitted", m[1])
		}
	}
	if len(emitted) != len(families) {
		t.Errorf("%d metrics are emitted; want %d", len(emitted), len(families))
	}
}

// A node that has just begun, or is empty, has its metrics too.
func TestMetricsOfAnEmptyNode(t *testing.T) {
	f := newFake()
	f.status = func() node.Status { return node.Status{} }
	if text := scrape(t, f); !strings.Contains(text, "\ncasbah_ready 0\n") || !strings.Contains(text, "\ncasbah_config_loaded_timestamp_seconds 0\n") {
		t.Errorf("metrics of an empty node:\n%s", text)
	}
}

// Off loopback a scraper needs the token.
func TestMetricsNeedTheToken(t *testing.T) {
	h := New(newFake(), Options{Token: token})
	if w := (ask{method: "GET", path: "/metrics"}).of(h); w.Code != http.StatusUnauthorized {
		t.Errorf("/metrics without token = %d; want 401", w.Code)
	}
	if w := (ask{method: "GET", path: "/metrics", head: map[string]string{"Authorization": "Bearer " + token}}).of(h); w.Code != http.StatusOK {
		t.Errorf("/metrics with token = %d; want 200", w.Code)
	}
}

// A VIP that ends TLS within a protocol of mail has a certificate that ends as well.
func TestMetricsOfStartTLS(t *testing.T) {
	f := newFake()
	st := f.status()
	st.VIPs[0].Type = "tcp"
	st.VIPs[0].Certificates = []node.CertificateStatus{certificate("imap.pem", noon.Add(time.Hour))}
	f.status = func() node.Status { return st }
	text := scrape(t, f)
	for _, want := range []string{
		`casbah_certificate_expiry_timestamp_seconds{file="imap.pem",vip="mail"} 1.7726292e+09`,
		`casbah_handshakes_total{resumed="true",version="TLS 1.3",vip="mail"} 6`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
}
