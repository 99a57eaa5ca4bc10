package page_test

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"casbah/health/page"
)

// headline reads the level and sentence off the rendered page.
func headline(t *testing.T, v *page.View) (level, sentence string) {
	t.Helper()
	m := regexp.MustCompile(`data-level="([^"]*)" data-headline="([^"]*)"`).FindStringSubmatch(render(t, v))
	if m == nil {
		t.Fatal("no headline")
	}
	return m[1], html.UnescapeString(m[2])
}

func TestHeadline(t *testing.T) {
	tests := []struct {
		name   string
		change func(*page.View)
		level  string
		want   string
	}{
		{"all-well", func(*page.View) {}, "ok", "All well: 3 protocols, each on 2 servers."},
		{"one-protocol", func(v *page.View) {
			for i := range v.Pools[0].Servers {
				v.Pools[0].Servers[i].Services = v.Pools[0].Servers[i].Services[:1]
			}
		}, "ok", "All well: 1 protocol on 2 servers."},
		{"pools-of-different-size", func(v *page.View) {
			v.Pools = append(v.Pools, page.Pool{Name: "mail", Servers: []page.Server{{Name: "mail1", Services: []page.Service{{Profile: "imap4", State: page.Up}}}}})
		}, "ok", "All well: 4 protocols, each on 1 to 2 servers."},
		{"one-service", func(v *page.View) { set(v, 1, 0, page.Down, "") }, "warn", "Mail is working, but owa is down on cas2."},
		{"two-on-one-server", func(v *page.View) {
			set(v, 1, 0, page.Down, "")
			set(v, 1, 1, page.Down, "")
		}, "warn", "Mail is working, but owa and eas are down on cas2."},
		{"whole-server", func(v *page.View) { setAll(v, 1, page.Down, "") }, "warn", "Mail is working, but cas2 is down."},
		{"scattered", func(v *page.View) {
			set(v, 0, 0, page.Down, "")
			set(v, 1, 1, page.Down, "")
		}, "warn", "Mail is working, but 2 services are down on cas1 and cas2."},
		{"protocol-lost", func(v *page.View) {
			set(v, 0, 1, page.Down, "")
			set(v, 1, 1, page.Down, "")
		}, "bad", "No server for eas; the rest of mail is working."},
		{"lost-by-maintenance", func(v *page.View) {
			set(v, 0, 1, page.Down, "")
			set(v, 1, 1, page.Maintenance, "")
		}, "bad", "No server for eas; the rest of mail is working."},
		{"lost-in-one-of-two-pools", func(v *page.View) {
			other := v.Pools[0]
			other.Name, other.Servers = "new", []page.Server{{Name: "mbx1", Services: []page.Service{{Profile: "eas", State: page.Up}}}}
			v.Pools = append(v.Pools, other)
			set(v, 0, 1, page.Down, "")
			set(v, 1, 1, page.Down, "")
		}, "bad", "No server for eas in pool cas; the rest of mail is working."},
		{"all-lost", func(v *page.View) {
			setAll(v, 0, page.Down, "")
			setAll(v, 1, page.Down, "")
		}, "bad", "Mail is not working: no server is up."},
		{"vip-without-server", func(v *page.View) { v.VIPs[0].Up = false }, "bad", "No server for VIP mail."},
		{"starting", func(v *page.View) {
			setAll(v, 0, page.Unknown, "")
			setAll(v, 1, page.Unknown, "")
		}, "note", "Starting: the first probes are under way."},
		{"one-protocol-not-probed", func(v *page.View) {
			set(v, 0, 1, page.Unknown, "")
			set(v, 1, 1, page.Unknown, "")
		}, "ok", "All well: 3 protocols, each on 2 servers."},
		{"drain", func(v *page.View) { setAll(v, 1, page.Drain, "") }, "ok", "Mail is working; cas2 is draining."},
		{"maintenance", func(v *page.View) { setAll(v, 1, page.Maintenance, "") }, "ok", "Mail is working; cas2 is in maintenance."},
		{"protection", func(v *page.View) { v.Advice = []page.Advice{{Weight: "warning"}} }, "warn", "Mail is working, but Extended Protection refuses logins."},
		{"protection-perhaps", func(v *page.View) { v.Advice = []page.Advice{{Weight: "notice"}} }, "ok", "All well: 3 protocols, each on 2 servers."},
		{"reload-refused", func(v *page.View) { v.ReloadError = "x" }, "warn", "Mail is working, with the old configuration: the new one was refused."},
		{"stopping", func(v *page.View) { v.Stopping = true }, "warn", "casbah is stopping: open requests are finished, new ones refused."},
		{"nothing", func(v *page.View) { v.VIPs = nil }, "warn", "Nothing to serve: no VIP is configured."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := sample()
			tt.change(v)
			if level, got := headline(t, v); level != tt.level || got != tt.want {
				t.Errorf("headline = %s %q; want %s %q", level, got, tt.level, tt.want)
			}
		})
	}
}

// findings reads the lines under the headline, without markup.
func findings(t *testing.T, v *page.View) []string {
	t.Helper()
	list := regexp.MustCompile(`(?s)<ul class="findings">(.*?)</ul>`).FindStringSubmatch(render(t, v))
	if list == nil {
		return nil
	}
	var lines []string
	for _, m := range regexp.MustCompile(`(?s)<li[^>]*>(.*?)</li>`).FindAllStringSubmatch(list[1], -1) {
		text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[1], "")
		lines = append(lines, html.UnescapeString(strings.TrimSpace(text)))
	}
	return lines
}

func TestFindings(t *testing.T) {
	tests := []struct {
		name   string
		change func(*page.View)
		want   []string
	}{
		{"none", func(*page.View) {}, nil},
		{"worst-first", func(v *page.View) {
			set(v, 0, 0, page.Maintenance, "")
			set(v, 1, 1, page.Down, "got 503")
		}, []string{"cas2: eas down for 1 min 30 s got 503", "cas1: owa in maintenance for 1 min 30 s"}},
		{"all-of-a-server", func(v *page.View) { setAll(v, 0, page.Down, "refused") }, []string{"cas1: all 3 protocols down for 1 min 30 s refused"}},
		{"two-errors", func(v *page.View) {
			set(v, 0, 0, page.Down, "got 503")
			set(v, 0, 1, page.Down, "timeout")
		}, []string{"cas1: owa and eas down for 1 min 30 s got 503 (and 1 other error)"}},
		{"drain", func(v *page.View) { set(v, 0, 0, page.Drain, "") }, []string{"cas1: owa draining for 1 min 30 s"}},
		{"unknown", func(v *page.View) { v.Pools[0].Servers[0].Services[0] = page.Service{Profile: "owa"} }, []string{"cas1: owa not probed yet"}},
		{"reload", func(v *page.View) { v.ReloadError = "3:1: want a name" }, []string{"The last reload was refused; the configuration from before is in force. 3:1: want a name"}},
		{"panic", func(v *page.View) {
			v.Pools[0].PanicBelow, v.Pools[0].Panic = 50, []string{"owa", "eas"}
			set(v, 1, 1, page.Down, "got 503")
		}, []string{
			"Pool cas panics: for owa and eas fewer than 50% of the servers are up, so all that are not in maintenance are used.",
			"cas2: eas down for 1 min 30 s got 503",
		}},
		{"connections-below", func(v *page.View) { v.Conns = 899 }, nil},
		{"connections", func(v *page.View) { v.Conns = 900 }, []string{"900 connections are open, of 1,000 allowed."}},
		{"connections-unlimited", func(v *page.View) { v.Conns, v.ConnLimit = 900, 0 }, nil},
		{"table", func(v *page.View) { v.Table.Bindings = 9000 }, []string{"The table holds 9,000 bindings, of 10,000 possible."}},
		{"table-soon-full", func(v *page.View) { v.Table.FullIn = 12 * time.Minute }, []string{"At the growth of the last minutes the table of bindings is full in 12 min."}},
		{"table-full-some-day", func(v *page.View) { v.Table.FullIn = 61 * time.Minute }, nil},
		{"not-saved", func(v *page.View) { v.Table.SaveError = "no space left on device" }, []string{"The bindings cannot be saved: a restart would forget the newest. no space left on device"}},
		{"not-restored", func(v *page.View) { v.Table.RestoreError, v.Started = "checksum", v.Now.Add(-time.Hour) }, []string{"The bindings from before the start are lost; clients were balanced anew. checksum"}},
		{"not-restored-long-ago", func(v *page.View) { v.Table.RestoreError, v.Started = "checksum", v.Now.Add(-8*time.Hour) }, nil},
		{"protection", func(v *page.View) {
			v.Advice = []page.Advice{
				{Weight: "notice", VIP: "mail", Profiles: []string{"ews"}, Text: "nobody knows"},
				{Weight: "warning", VIP: "mail", Profiles: []string{"owa", "ecp"}, Text: "the certificates differ"},
			}
		}, []string{
			"Extended Protection on VIP mail (owa, ecp): the certificates differ.",
			"Extended Protection on VIP mail (ews): nobody knows.",
		}},
		{"foreign", func(v *page.View) { v.Foreign = 1 }, []string{"A fault of casbah's own led 1 request to another client's connection; nothing was sent there. Report it: the log has when and where."}},
		{"fault", func(v *page.View) { v.Panics = 2 }, []string{"A fault of casbah's own ended 2 connections; the log has the trace."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := sample()
			tt.change(v)
			if got := findings(t, v); strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("findings = %q; want %q", got, tt.want)
			}
		})
	}
}

func TestFindingsAreBounded(t *testing.T) {
	v := sample()
	for range 10 {
		v.Pools[0].Servers = append(v.Pools[0].Servers, v.Pools[0].Servers[0])
		n := len(v.Pools[0].Servers)
		v.Pools[0].Servers[n-1].Name += strings.Repeat("x", n)
		v.Pools[0].Servers[n-1].Services = []page.Service{{Profile: "owa", State: page.Down}}
	}
	got := findings(t, v)
	if len(got) != 9 || got[8] != "and 2 more, in the matrix below" {
		t.Errorf("%d lines, the last %q; want 8 and how many more", len(got), got[len(got)-1])
	}
}
