package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// promtool runs the real promtool, which must find nothing.
func promtool(t *testing.T, in io.Reader, args ...string) string {
	t.Helper()
	cmd := exec.Command(peer(t, "promtool"), args...)
	cmd.Stdin = in
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// What casbah says to Prometheus is what that wants to hear, and what stands
// under deploy is what it takes.
func TestRealPromtool(t *testing.T) {
	t.Parallel()
	real(t)
	t.Run("metrics", func(t *testing.T) {
		p := startLab(t)
		p.order("cas1/owa/503")
		resp, err := http.Get(p.admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(text), "\ncasbah_ready 1\n") {
			t.Fatalf("/metrics = %s, %v\n%.500s", resp.Status, err, text)
		}
		if out := promtool(t, strings.NewReader(string(text)), "check", "metrics"); strings.Contains(out, "casbah") {
			t.Errorf("promtool check metrics: %s", out)
		}
	})
	t.Run("rules", func(t *testing.T) {
		promtool(t, nil, "check", "rules", "../deploy/prometheus/casbah.rules.yml")
		promtool(t, nil, "test", "rules", "../deploy/prometheus/casbah.rules.test.yml")
	})
	t.Run("dashboard", func(t *testing.T) { promtool(t, nil, "check", "rules", dashboardRules(t)) })
}

// dashboardRules writes the queries of the dashboard as rules, which promtool reads.
func dashboardRules(t *testing.T) (path string) {
	t.Helper()
	text, err := os.ReadFile("../deploy/grafana/casbah.json")
	if err != nil {
		t.Fatal(err)
	}
	queries := regexp.MustCompile(`"expr": (".*"),`).FindAllStringSubmatch(string(text), -1)
	if len(queries) < 20 {
		t.Fatalf("%d queries", len(queries))
	}
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, q := range queries {
		var expr string
		if err := json.Unmarshal([]byte(q[1]), &expr); err != nil {
			t.Fatal(err)
		}
		rules += "  - record: query:" + strconv.Itoa(i) + "\n    expr: " + strconv.Quote(strings.ReplaceAll(expr, "$__rate_interval", "5m")) + "\n"
	}
	path = filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
