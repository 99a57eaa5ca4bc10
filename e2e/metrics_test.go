package e2e

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"casbah/admin"
)

// metrics are what Prometheus would store, by name and labels as they are written.
type metrics map[string]float64

// scrape asks the node of the rig as Prometheus does.
func (r *rig) scrape() metrics {
	r.t.Helper()
	w := httptest.NewRecorder()
	admin.New(r.node, admin.Options{Loopback: true}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		r.t.Fatalf("/metrics = %d %s", w.Code, w.Body)
	}
	m := make(metrics)
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		v, err := strconv.ParseFloat(lines.Text()[at+1:], 64)
		if err != nil {
			r.t.Fatalf("%s: %v", lines.Text(), err)
		}
		m[lines.Text()[:at]] = v
	}
	return m
}

// Every request is counted once, by its profile, status and time; handshakes,
// octets, probes and bindings are what clients and servers did.
func TestMetricsCountWhatHappens(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		c := r.client("127.0.0.2")
		get := func(path string, want int) int {
			resp, err := c.Get(c.base + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != want {
				t.Fatalf("GET %s = %d, %v; want %d", path, resp.StatusCode, err, want)
			}
			return len(body)
		}
		const n = 7
		octets := 0
		for range n {
			octets += get("/owa/auth/logon.aspx", http.StatusOK)
		}
		get("/ews/exchange.asmx", http.StatusUnauthorized)
		get("/nothing/of/ours", http.StatusNotFound)
		vip := `vip="` + map[string]string{"plain": "plain", "tls": "tls"}[m.vip] + `"`
		of := func(profile, status string) string {
			pool := "cas"
			if profile == "" {
				pool = ""
			}
			return `casbah_requests_total{pool="` + pool + `",profile="` + profile + `",status="` + status + `",` + vip + `}`
		}
		var got metrics
		r.until("the requests are counted", func() bool {
			got = r.scrape()
			return got[of("owa", "2xx")]+got[of("ews", "4xx")]+got[of("", "4xx")] == n+2
		})
		if got[of("owa", "2xx")] != n || got[of("ews", "4xx")] != 1 || got[of("", "4xx")] != 1 {
			t.Errorf("requests of owa %v, of ews %v, of none %v; want %d, 1, 1", got[of("owa", "2xx")], got[of("ews", "4xx")], got[of("", "4xx")], n)
		}
		count, sum := got[`casbah_response_seconds_count{pool="cas",profile="owa",`+vip+`}`], got[`casbah_response_seconds_sum{pool="cas",profile="owa",`+vip+`}`]
		if all := got[`casbah_response_seconds_bucket{pool="cas",profile="owa",`+vip+`,le="+Inf"}`]; count != n || all != n || sum <= 0 {
			t.Errorf("histogram of %v and %v answers, %v s; want %d", count, all, sum, n)
		}
		if sent := got[`casbah_sent_bytes_total{`+vip+`}`]; sent < float64(octets) || sent > float64(octets)+10000 {
			t.Errorf("%v octets sent; want at least %d, and heads", sent, octets)
		}
		shook := 0.0
		for name, v := range got {
			if strings.HasPrefix(name, "casbah_handshakes_total{") && strings.Contains(name, vip) {
				shook += v
			}
		}
		if want := map[string]float64{"tls": 1}[m.vip]; shook != want {
			t.Errorf("%v handshakes on one connection; want %v", shook, want)
		}
		if got["casbah_bindings"] == 0 || got["casbah_ready"] != 1 {
			t.Errorf("%v bindings, ready %v", got["casbah_bindings"], got["casbah_ready"])
		}
		if _, ok := got[`casbah_loop_lag_seconds{loop="0"}`]; ok != (m.engine == "reactor") {
			t.Errorf("a loop's lag is told: %v, with the driver %s", ok, m.engine)
		}
		if got[`casbah_probes_total{answer="right",pool="cas",profile="owa",server="cas1"}`] == 0 {
			t.Error("no probe is counted")
		}
	})
}
