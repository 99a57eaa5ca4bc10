package lab

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestControlOrders(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	control := a.Control()
	post := func(path string, fields ...string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, nil)
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		w := httptest.NewRecorder()
		control.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	tests := []struct {
		path string
		code int
		want string // in the answer
	}{
		{"/cas1/owa/503", 200, "owa                requests 0        503"},
		{"/cas1/owa/slow/2s", 200, "slow/2s"},
		{"/cas1/outlook_anywhere/reset/1000", 200, "reset/1000"},
		{"/cas2/garbage", 200, "whole server: garbage"},
		{"/cas2/hang", 200, "whole server: hang"},
		{"/cas2/stop", 200, "stopped"},
		{"/cas2/ok", 200, "running"},
		{"/cas1/owa/ok", 200, "reset/1000"},
		{"/cas1/offline", 200, "ServerWideOffline"},
		{"/cas1/owa/offline", 200, "ok, offline"},
		{"/cas1/name/cas2", 200, "ServerWideOffline, calls itself CAS2.lab.test"},
		{"/cas1/name/cas1", 200, "      ServerWideOffline\n"},
		{"/cas1/online", 200, "requests"},
		{"/cas1/name/cas7", 404, "no server"},
		{"/cas1/imap4/offline", 404, "no such order"},
		{"/account/probe/refuse", 200, "running"},
		{"/account/probe/ok", 200, "running"},
		{"/account/probe/lock", 404, "no such order"},
		{"/account/nobody/refuse", 404, "no such user"},
		{"/mail/alice", 200, "running"},
		{"/mail/nobody", 404, "no such user"},
		{"/cas3/stop", 404, "no server"},
		{"/cas1/imap4/503", 404, "no such order"},
		{"/cas1/owa/slow/fast", 404, "no such order"},
		{"/cas1/owa/99", 404, "status code"},
		{"/cas1", 404, "no such order"},
	}
	for _, tt := range tests {
		t.Run(tt.path[1:], func(t *testing.T) {
			if code, body := post(tt.path); code != tt.code || !strings.Contains(body, tt.want) {
				t.Errorf("POST %s = %d %q; want %d with %q", tt.path, code, body, tt.code, tt.want)
			}
		})
	}
	if !a.CAS(1).Running() || len(a.CAS(1).faults.all()) != 0 {
		t.Error("cas2 was not healed by ok")
	}
	if f, _ := a.CAS(0).faults.of("owa"); f.kind != healthy {
		t.Errorf("owa on cas1 is %v after ok", f)
	}
	if code, _ := post("/cas1/stop", "Sec-Fetch-Site", "cross-site"); code != http.StatusForbidden || !a.CAS(0).Running() {
		t.Errorf("a page of another site gave an order: %d", code)
	}
	w := httptest.NewRecorder()
	control.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	if body := w.Body.String(); !strings.Contains(body, "http://"+a.CAS(0).Addr()) || !strings.Contains(body, "POST /cas1/stop") {
		t.Errorf("GET / = %q", body)
	}
}

func TestFaultSpelling(t *testing.T) {
	for _, f := range []Fault{{}, Slow(time.Second), ResetAfter(0), ResetAfter(77), Status(440), Garbage(), Hang(), {kind: status, code: 503, behind: true}} {
		got, err := ParseFault(f.String())
		if err != nil || got != f {
			t.Errorf("ParseFault(%q) = %v, %v", f.String(), got, err)
		}
	}
}
