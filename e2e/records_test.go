package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// record is one line of the access log.
type record struct {
	Time, VIP, Profile, Client, Source, Server string
	Method, Host, Path                         string
	Status                                     int
	Step, Why                                  *string
	In, Out                                    int64
	First, Duration                            float64
	End                                        string
	Attempts                                   int
	Pinned, Cookieless, HTTP2                  bool
	User                                       string
}

// accessLog returns the text of the access log, and its records.
func (r *rig) accessLog() (text string, records []record) {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(filepath.Dir(r.conf), "access.log"))
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var rec record
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&rec); err != nil {
			r.t.Fatalf("access record %q: %v", line, err)
		}
		records = append(records, rec)
	}
	return string(data), records
}

// logged waits until the access log has n records and returns them.
func (r *rig) logged(n int) (records []record) {
	r.t.Helper()
	r.until("the access log is written", func() bool {
		_, records = r.accessLog()
		return len(records) >= n
	})
	if len(records) > n {
		r.t.Errorf("%d access records; want one for each of %d requests", len(records), n)
	}
	return records
}

// One record for each request, refused ones too, with what it came to.
func TestAccessRecords(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	const cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
	served := record{Profile: "calm", Method: "GET", Host: "h", Path: "/calm/x", Status: 200, Out: int64(len(answer)), End: "done", Attempts: 1}
	with := func(change func(*record)) record {
		rec := served
		change(&rec)
		return rec
	}
	own := func(profile, method, path string, status int) record { // an answer of casbah's own
		return record{Profile: profile, Method: method, Host: "h", Path: path, Status: status, Out: -1, End: "refused"}
	}
	tests := []struct {
		name, request string
		want          record // Client, Server, In and times are looked at apart
		step, why     string
	}{
		{"first", "GET /calm/x?secret=1 HTTP/1.1\r\nHost: h\r\n\r\n", served, "", "fresh"},
		{"bound", "GET /calm/x HTTP/1.1\r\nHost: h\r\n\r\n", served, "source_ip", "bound"},
		{
			"body", "POST /calm/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
			with(func(r *record) { r.Method = "POST" }), "source_ip", "bound",
		},
		{
			"chunks", "POST /calm/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			with(func(r *record) { r.Method = "POST" }), "source_ip", "bound",
		},
		{
			"cut", "GET /calm/cut HTTP/1.1\r\nHost: h\r\n\r\n",
			with(func(r *record) { r.Path, r.Out, r.End = "/calm/cut", int64(len(cut)), "server" }), "source_ip", "bound",
		},
		{
			"garbage", "GET /calm/garbage HTTP/1.1\r\nHost: h\r\n\r\n",
			with(func(r *record) { r.Path, r.Status, r.Out, r.End = "/calm/garbage", 502, -1, "server" }), "source_ip", "bound",
		},
		{"nowhere", "GET /none HTTP/1.1\r\nHost: h\r\n\r\n", own("", "GET", "/none", 404), "", ""},
		{"method", "BREW /calm/x HTTP/1.1\r\nHost: h\r\n\r\n", own("calm", "BREW", "/calm/x", 405), "", ""},
		{"dots", "GET /calm/../x HTTP/1.1\r\nHost: h\r\n\r\n", own("", "GET", "/calm/../x", 400), "", ""},
		{"lengths", "GET /calm/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", own("", "GET", "/calm/x", 400), "", ""},
	}
	modes(t, func(t *testing.T, m mode) {
		server := newRogue(t, map[string]act{"cut": leaves(cut), "garbage": leaves("no HTTP\r\n\r\n")})
		r := newRig(t, setup{mode: m, servers: []string{server.Addr().String()}, profiles: `"calm"`, extra: ownProfiles})
		var clients []string
		for _, tt := range tests {
			w := r.wire(t, "127.0.0.66")
			clients = append(clients, w.LocalAddr().String())
			w.say(tt.request)
			_, _, _ = w.answer("GET") // some break off
			_ = w.Close()
		}
		// In the order in which requests ended: each began when the one before
		// had its answer.
		for i, got := range r.logged(len(tests)) {
			tt := tests[i]
			t.Run(tt.name, func(t *testing.T) {
				want := tt.want
				want.VIP, want.Client, want.In = m.vip, clients[i], int64(len(tt.request))
				if want.Attempts > 0 {
					want.Server = "cas1"
				}
				if want.Out < 0 && got.Out > 0 {
					want.Out = got.Out
				}
				if got.Step == nil || *got.Step != tt.step || got.Why == nil || *got.Why != tt.why {
					t.Errorf("step %v, why %v; want %q, %q", show(got.Step), show(got.Why), tt.step, tt.why)
				}
				if got.Time == "" || got.First < 0 || got.Duration < got.First {
					t.Errorf("time %q, first octet after %v, all after %v", got.Time, got.First, got.Duration)
				}
				got.Step, got.Why, got.Time, got.First, got.Duration = nil, nil, "", 0, 0
				if got != want {
					t.Errorf("record = %+v; want %+v", got, want)
				}
			})
		}
	})
}

// show is what a field of a record holds.
func show(field *string) string {
	if field == nil {
		return "missing"
	}
	return strconv.Quote(*field)
}
