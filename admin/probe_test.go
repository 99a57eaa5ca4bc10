package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"casbah/health"
	"casbah/node"
)

// What probes came to is a read. A run goes to the servers and may log in: it
// needs what a change needs.
func TestProbesOverTheAPI(t *testing.T) {
	const token = "correct-horse-battery-staple"
	tests := []struct {
		name, method, path, body, token string
		status                          int
		want                            string // in the answer
		filter                          node.ProbeFilter
	}{
		{"all", "GET", "/api/v1/probes", "", "", 200, `"verdict": "down"`, node.ProbeFilter{}},
		{"some", "GET", "/api/v1/probes?server=cas1&profile=owa&pool=cas", "", "", 200, `"error": "got 503"`, node.ProbeFilter{Pool: "cas", Server: "cas1", Profile: "owa"}},
		{"unknown-key", "GET", "/api/v1/probes?vip=mail", "", "", 400, "want each of pool, server and profile", node.ProbeFilter{}},
		{"twice", "GET", "/api/v1/probes?server=a&server=b", "", "", 400, "once at most", node.ProbeFilter{}},
		{"run", "POST", "/api/v1/probe", `{"server": "cas1"}`, token, 200, "[]", node.ProbeFilter{Server: "cas1"}},
		{"run-without-token", "POST", "/api/v1/probe", `{}`, "", 401, "", node.ProbeFilter{}},
		{"run-of-nothing", "POST", "/api/v1/probe", ``, token, 400, "want a JSON object", node.ProbeFilter{}},
		{"run-of-something", "POST", "/api/v1/probe", `{"url": "/"}`, token, 400, "want a JSON object", node.ProbeFilter{}},
		{"run-of-too-much", "POST", "/api/v1/probe", `{"server": "` + strings.Repeat("x", 5000) + `"}`, token, 400, "want a JSON object", node.ProbeFilter{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			h := New(f, Options{Loopback: true, Token: token})
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "http://127.0.0.1"+tt.path, strings.NewReader(tt.body))
			if tt.token != "" {
				r.Header.Set("Authorization", "Bearer "+tt.token)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%s %s = %d %s; want %d with %q", tt.method, tt.path, w.Code, w.Body, tt.status, tt.want)
			}
			if f.probed != tt.filter {
				t.Errorf("asked for %+v; want %+v", f.probed, tt.filter)
			}
		})
	}
	f := newFake()
	f.refuse = &node.FilterError{Field: "server", Want: "one of cas1", Got: "cas9"}
	w := httptest.NewRecorder()
	New(f, Options{Loopback: true}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1/api/v1/probes?server=cas9", nil))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "want one of cas1") {
		t.Errorf("GET of no server = %d %s", w.Code, w.Body)
	}
}

// A deep probe stands in the status, in the page's words and in the metrics.
func TestDeepProbeIsShown(t *testing.T) {
	f := newFake()
	st := f.status()
	deep := &node.DeepStatus{
		Probe: "login, versions of ActiveSync", At: noon, Took: 20 * time.Millisecond, Error: "401 for probe", Cause: health.Refused,
		Probes: health.Tally{Right: 7, Wrong: 3, Took: time.Second}, Rests: true,
	}
	deep.Probes.Causes[health.Refused] = 3
	service := &st.Pools[0].Servers[0].Services[1]
	service.Probe, service.Deep = "GET /eas", deep
	service.Probes.Causes[health.Misrouted] = 2
	f.status = func() node.Status { return st }

	text, err := json.Marshal(statusOf(&st))
	if err != nil {
		t.Fatal(err)
	}
	const want = `"deep_probe":{"probe":"login, versions of ActiveSync","last_probe":"2026-03-04T12:00:00Z","probe_seconds":0.02,` +
		`"probe_error":"401 for probe","probe_cause":"account","probes":{"right":7,"wrong":3,"causes":{"account":3}},"account_refused":true}`
	if !strings.Contains(string(text), want) {
		t.Errorf("the status lacks\n%s\n%s", want, text)
	}
	if got, want := trouble(service), "probe account refused, the deep probe does not count: 401 for probe"; got != want {
		t.Errorf("trouble() = %q; want %q", got, want)
	}
	deep.Rests = false
	if got, want := trouble(service), "login, versions of ActiveSync: 401 for probe"; got != want {
		t.Errorf("trouble() = %q; want %q", got, want)
	}
	deep.Rests = true
	if got, want := asked(service), "GET /eas; login, versions of ActiveSync"; got != want {
		t.Errorf("asked() = %q; want %q", got, want)
	}
	w := httptest.NewRecorder()
	New(f, Options{Loopback: true}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1/metrics", nil))
	for _, line := range []string{
		`casbah_probe_wrong_total{cause="misrouted",pool="cas",profile="eas",server="cas1"} 2`,
		`casbah_deep_probes_total{answer="right",pool="cas",profile="eas",server="cas1"} 7`,
		`casbah_deep_probe_wrong_total{cause="account",pool="cas",profile="eas",server="cas1"} 3`,
		`casbah_deep_probe_seconds_total{pool="cas",profile="eas",server="cas1"} 1`,
		`casbah_deep_probe_last_seconds{pool="cas",profile="eas",server="cas1"} 0.02`,
		`casbah_probe_account_refused{pool="cas",profile="eas",server="cas1"} 1`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}
