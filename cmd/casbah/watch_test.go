package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"casbah/admin"
)

// watching runs -watch against a casbah that answers with each of statuses, nil for
// one that is being started again, until they are all shown.
func watching(t *testing.T, raw bool, statuses ...*admin.Status) (string, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n++; {
		case n > len(statuses):
			cancel()
		case statuses[n-1] == nil:
			w.WriteHeader(http.StatusBadGateway)
		default:
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			_ = enc.Encode(statuses[n-1])
		}
	}))
	defer srv.Close()
	c := newClient(flag.NewFlagSet("status", flag.ContinueOnError))
	c.admin = srv.URL
	var out bytes.Buffer
	err := c.watch(ctx, &out, raw, time.Millisecond)
	return out.String(), err
}

// counted is a status after n requests.
func counted(n uint64, at time.Duration) *admin.Status {
	begun := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	return &admin.Status{Started: begun, Now: begun.Add(at), VIPs: []admin.VIP{{
		Name: "mail", Traffic: []admin.Traffic{{Profile: "owa", Requests: n}},
	}}}
}

func TestWatch(t *testing.T) {
	out, err := watching(t, false, counted(10, time.Minute), nil, counted(35, time.Minute+2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	pages := strings.Split(out, "casbah  ")
	if len(pages) != 3 || strings.Contains(pages[1], "per second") || !strings.Contains(pages[1], "502 Bad Gateway") {
		t.Fatalf("shown:\n%s\nwant a page without rates, an error, a page", out)
	}
	if !strings.Contains(pages[2], "per second\n") || !strings.Contains(pages[2], " 35 ") || !strings.Contains(pages[2], "  12.5\n") {
		t.Errorf("second page:\n%s\nwant 12.5 requests per second", pages[2])
	}
}

// Of a casbah that was started again no rate is told.
func TestWatchOfAnotherCasbah(t *testing.T) {
	later := counted(3, time.Hour)
	later.Started = later.Started.Add(time.Minute)
	out, err := watching(t, false, counted(10, time.Minute), later)
	if err != nil || strings.Contains(out, "per second") {
		t.Errorf("%v, shown:\n%s\nwant no rates", err, out)
	}
}

func TestWatchAsJSON(t *testing.T) {
	out, err := watching(t, true, counted(1, 0), counted(2, time.Second))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || len(lines) != 2 {
		t.Fatalf("%v, %d lines: %s", err, len(lines), out)
	}
	for i, line := range lines {
		var st admin.Status
		if err := json.Unmarshal([]byte(line), &st); err != nil || st.VIPs[0].Traffic[0].Requests != uint64(i+1) {
			t.Errorf("line %d: %v, %s", i, err, line)
		}
	}
}

// Where nothing answers at first, the command fails.
func TestWatchOfNobody(t *testing.T) {
	if out, err := watching(t, false, nil); err == nil || out != "" {
		t.Errorf("watch = %v, %q; want an error", err, out)
	}
}
