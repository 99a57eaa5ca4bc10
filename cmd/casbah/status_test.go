package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"casbah/admin"
)

// manyServers is the status of a pool of twelve, one of them far out.
func manyServers() *admin.Status {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	pool := admin.Pool{Name: "cas", Algorithm: "least_conn", UpstreamTLS: "on", Panic: []string{"eas"}}
	for i := range 12 {
		s := admin.Server{Name: fmt.Sprintf("cas%02d.example.org", i+1), Bindings: 1000 + i, Active: int64(i)}
		for _, profile := range []string{"owa", "outlook_anywhere", "eas"} {
			service := admin.Service{Profile: profile, State: "up", Since: now.Add(-time.Hour)}
			if i == 7 && profile == "owa" {
				service.State, service.Probe, service.ProbeError = "maintenance", "GET /owa/", "want status 200, got 503\x1b[2J"
			}
			s.Services = append(s.Services, service)
		}
		if i == 3 {
			s.Services = s.Services[:2] // not of every profile
		}
		pool.Servers = append(pool.Servers, s)
	}
	return &admin.Status{
		Version: "1.0", Started: now.Add(-50 * time.Hour), Now: now, Loaded: now.Add(-time.Minute), Stopping: true, ConfigPath: "/etc/casbah/casbah.toml",
		ReloadError: "casbah.toml:1:1: one\ncasbah.toml:2:1: " + strings.Repeat("two ", 30), Panics: 2,
		Leaving: []admin.Leaving{{VIP: "old", Connections: 1}}, Pools: []admin.Pool{pool},
		VIPs: []admin.VIP{{
			Name: "mail", Type: "https", Up: true, Pool: "cas", Connections: 1, Requests: 2,
			Persistence: []admin.Persistence{{Profile: "powershell", Chain: []string{"insert_cookie"}, Timeout: 3600, Inserted: &admin.InsertedCookie{Name: "CASBAH_ABCD"}}},
			Traffic: []admin.Traffic{
				{Requests: 3, Status: map[string]uint64{"4xx": 3}},
				{Profile: "outlook_anywhere", Requests: 1234567, Status: map[string]uint64{"5xx": 7}, Median: 0.01234, Most: 1.26},
				{Profile: "oab"},
			},
			Certificates: []admin.Certificate{
				{Names: []string{"mail.example.org", "autodiscover.example.org"}, NotAfter: now.Add(13 * 24 * time.Hour), Level: "warning", Refused: "no PEM"},
				{Names: []string{"old.example.org"}, NotAfter: now.Add(-time.Hour), Level: "expired"},
			},
		}},
		Events: make([]admin.Event, 2*shownEvents),
	}
}

// The chains are shown with what is in force for them, S57.
func TestStatusFitsTheScreen(t *testing.T) {
	var out bytes.Buffer
	printStatus(&out, manyServers(), nil)
	text := out.String()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > screenWidth {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	for _, want := range []string{
		`(?m)^casbah +1\.0, stopping, up for 2d2h, 0 connections$`,
		`(?m)^reload refused +casbah\.toml:1:1: one$`,
		`(?m)^faults +2 connections were ended`,
		`(?m)^leaving +VIP old, 1 connection still open$`,
		`(?m)^  listens on +nothing$`,
		`(?m)^  traffic +1 connection open, 0 accepted, 2 requests to pool cas$`,
		`(?m)^  powershell +insert_cookie CASBAH_ABCD \(version 0, until the browser\n +closes\); binding 1h00m$`,
		`(?m)^  requests +all +5xx +median +p99$`,
		`(?m)^  \(no path fits\) +3 +0 +0s +0s$`,
		`(?m)^  outlook_anywhere  1234567  7 +12ms +1\.3s$`,
		`(?m)^  certificate +mail\.example\.org, autodiscover\.example\.org, for 13d0h more\n +\(warning\); what stands in the file now is not in force: no\n +PEM$`,
		`(?m)^  certificate +old\.example\.org, EXPIRED 1h00m ago$`,
		`(?m)^ +cas01\.example\.org +cas02\.example\.org +cas03\.example\.org$`,
		`(?m)^ +cas07\.example\.org +cas08\.example\.org +cas09\.example\.org\n  owa +up +maintenance +up$`,
		`(?m)^  eas +- +up +up$`,
		`(?m)^  bindings +1009 +1010 +1011$`,
		`(?m)^  eas +panic_below is in effect`,
		`(?m)^  owa +on cas08\.example\.org maintenance for 1h00m: GET /owa/, want\n +status 200, got 503\?\[2J$`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no match for %s in\n%s", want, text)
		}
	}
	for i := range 12 {
		if n := strings.Count(text, fmt.Sprintf(" cas%02d.example.org ", i+1)) + strings.Count(text, fmt.Sprintf(" cas%02d.example.org\n", i+1)); n < 1 {
			t.Errorf("server %d is not shown", i+1)
		}
	}
	if _, events, _ := strings.Cut(text, "events, the newest first\n"); strings.Count(events, "\n") != shownEvents {
		t.Errorf("events:\n%s; want %d", events, shownEvents)
	}
}

// Names with another pool are shown with their VIP, and what is down of them.
func TestStatusShowsRoutes(t *testing.T) {
	var out bytes.Buffer
	st := manyServers()
	st.VIPs[0].Routes = []admin.Route{
		{Hosts: []string{"app.example.org", "*.app.example.org"}, Pool: "app", Profile: "ews", Up: true},
		{Hosts: []string{"x.example.org"}, Pool: "x", Profile: "oab"},
	}
	printStatus(&out, st, nil)
	for _, want := range []string{
		`(?m)^  by name +app\.example\.org, \*\.app\.example\.org to pool app$`, `(?m)^  by name +x\.example\.org to pool x, which has no server for oab$`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("the status does not show %s:\n%s", want, out.String())
		}
	}
}
