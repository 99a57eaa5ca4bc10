package admin

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// series are the names under which a metric is stored.
func series(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, m := range metricName.FindAllStringSubmatch(scrape(t, measured()), -1) {
		names[m[1]] = true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		names["casbah_response_seconds"+suffix] = true
	}
	return names
}

// Alerts and dashboard ask for metrics that are there.
func TestDeployedFilesNameMetricsThatAreThere(t *testing.T) {
	names := series(t)
	for _, path := range []string{"../deploy/prometheus/casbah.rules.yml", "../deploy/prometheus/casbah.rules.test.yml", "../deploy/grafana/casbah.json"} {
		found := regexp.MustCompile(`\bcasbah_\w+`).FindAllString(readFile(t, path), -1)
		if len(found) < 5 {
			t.Errorf("%s names %d metrics", path, len(found))
		}
		for _, name := range found {
			if !names[name] {
				t.Errorf("%s: there is no metric %s", path, name)
			}
		}
	}
}

// docs/OPERATIONS.md says of each alert what to do, and of none that is not there.
func TestAlertsAreDocumented(t *testing.T) {
	rules := readFile(t, "../deploy/prometheus/casbah.rules.yml")
	var alerts, told []string
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(rules, -1) {
		alerts = append(alerts, m[1])
	}
	for _, row := range regexp.MustCompile("(?m)^\\| (`Casbah\\w+`.*?) \\|").FindAllStringSubmatch(readFile(t, "../docs/OPERATIONS.md"), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			told = append(told, strings.Trim(name, "`"))
		}
	}
	slices.Sort(alerts)
	slices.Sort(told)
	if !slices.Equal(alerts, told) {
		t.Errorf("docs/OPERATIONS.md tells of %v; the alerts are %v", told, alerts)
	}
}

// The dashboard is JSON that Grafana reads, each panel of it with a query, and
// they do not lie upon each other.
func TestDashboard(t *testing.T) {
	var d struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "../deploy/grafana/casbah.json")), &d); err != nil {
		t.Fatal(err)
	}
	ids, cells := make(map[int]bool), make(map[[2]int]string)
	for _, p := range d.Panels {
		if ids[p.ID] || (p.Type != "row" && len(p.Targets) == 0) {
			t.Errorf("panel %q: id %d, %d queries", p.Title, p.ID, len(p.Targets))
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("panel %q lies upon %q, or outside", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
	if len(d.Panels) < 10 {
		t.Errorf("%d panels", len(d.Panels))
	}
}
