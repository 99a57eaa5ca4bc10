package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casbah/node"
)

// orders posts an order with that token.
func orders(f *fake, path, body, bearer string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8404/api/v1/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+bearer)
	w := httptest.NewRecorder()
	New(f, Options{Loopback: true, Token: token}).ServeHTTP(w, r)
	return w
}

// What an order says reaches the node, and its mistakes are named.
func TestOrder(t *testing.T) {
	long := strings.Repeat("x", maxWord+1)
	tests := []struct {
		name, path, body string
		code             int
		want             string // in the answer
	}{
		{"drain", "drain", `{"server":"cas1","firm":true,"for":"30m","wait":"10s","who":"anna","why":"CU23"}`, 200, `"who": "anna"`},
		{"nobody-says-who", "drain", `{"server":"cas1"}`, 200, `"who": "token"`},
		{"a-pool", "maintenance", `{"pool":"cas","profile":"owa","force":true}`, 200, `"wait": "30s"`},
		{"no-wait", "maintenance", `{"server":"cas1","wait":"0s"}`, 200, `"wait": "0s"`},
		{"ready", "ready", `{"server":"cas1"}`, 200, `"services"`},
		{"no-target", "drain", `{"profile":"owa"}`, 400, "server: want the name of a server, or that of a pool in pool"},
		{"no-json", "drain", `server=cas1`, 400, "want a JSON object"},
		{"unknown-field", "drain", `{"server":"cas1","until":"22:00"}`, 400, "unknown field"},
		{"by-and-for", "drain", `{"server":"cas1","by":"22:00","for":"1h"}`, 400, "by, for: want one of the two"},
		{"by", "drain", `{"server":"cas1","by":"24:00"}`, 400, "by: want a time of the day"},
		{"for", "drain", `{"server":"cas1","for":"0s"}`, 400, "for: want a time up to 720h"},
		{"for-too-long", "drain", `{"server":"cas1","for":"721h"}`, 400, "for: want a time up to 720h"},
		{"wait", "drain", `{"server":"cas1","wait":"-1s"}`, 400, "wait: want a time from 0s to 24h"},
		{"wait-too-long", "drain", `{"server":"cas1","wait":"25h"}`, 400, "wait: want a time from 0s to 24h"},
		{"firm-maintenance", "maintenance", `{"server":"cas1","firm":true}`, 400, "firm, by, for: want these for a drain alone"},
		{"forced-ready", "ready", `{"server":"cas1","force":true}`, 400, "wait, force"},
		{"lines", "drain", `{"server":"cas1","why":"a\nb"}`, 400, "want one line each"},
		{"long", "drain", fmt.Sprintf(`{"server":"cas1","why":%q}`, long), 400, "at most 200 octets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			w := orders(f, tt.path, tt.body, token)
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%s %s = %d %s; want %d, %q", tt.path, tt.body, w.Code, w.Body, tt.code, tt.want)
			}
			if ordered := f.command.State != ""; ordered != (tt.code == 200) || ordered && f.command.State != tt.path {
				t.Errorf("ordered: %+v", f.command)
			}
		})
	}
}

// What the node says against an order comes with a status of its own.
func TestOrderIsRefused(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{fmt.Errorf("server: %w, got x; want one of cas1", node.ErrUnknown), http.StatusNotFound},
		{&node.BareError{Left: []string{"profile owa of pool cas"}}, http.StatusConflict},
		{fmt.Errorf("%w: disk full", node.ErrUnsaved), http.StatusInternalServerError},
		{errors.New("casbah is starting"), http.StatusServiceUnavailable},
	} {
		f := newFake()
		f.refuse = tt.err
		w := orders(f, "drain", `{"server":"cas1"}`, token)
		var said struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != tt.code || said.Error != tt.err.Error() {
			t.Errorf("%v: %d %q; want %d and the error", tt.err, w.Code, said.Error, tt.code)
		}
	}
}

// Orders need the token, as every change.
func TestOrdersNeedTheToken(t *testing.T) {
	for _, path := range []string{"drain", "maintenance", "ready"} {
		f := newFake()
		w := orders(f, path, `{"server":"cas1"}`, "")
		if w.Code != http.StatusUnauthorized || f.command.State != "" {
			t.Errorf("%s without the token: %d, ordered %q", path, w.Code, f.command.State)
		}
	}
}

// A time of the day is the next one.
func TestUntil(t *testing.T) {
	now := time.Date(2026, 11, 22, 21, 0, 0, 0, time.Local)
	for _, tt := range []struct {
		by   string
		want time.Time
	}{
		{"22:00", now.Add(time.Hour)},
		{"21:00", now.AddDate(0, 0, 1)},
		{"20:30", now.AddDate(0, 0, 1).Add(-30 * time.Minute)},
		{now.Add(time.Minute).Format(time.RFC3339), now.Add(time.Minute)},
	} {
		ask := OrderRequest{By: tt.by}
		if got, err := ask.until(now); err != nil || !got.Equal(tt.want) {
			t.Errorf("until %q = %v, %v; want %v", tt.by, got, err, tt.want)
		}
	}
	ask := OrderRequest{By: now.Add(-time.Second).Format(time.RFC3339)}
	if got, err := ask.until(now); err == nil {
		t.Errorf("a time that has passed: %v; want an error", got)
	}
}

// Who does not say who orders is the user at the other end of the socket.
func TestOrderOverTheSocket(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip("nobody knows who runs the test: ", err)
	}
	f := newFake()
	path := filepath.Join(t.TempDir(), "s")
	door, err := ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_, stop := serving(t, New(f, Options{Token: token}), door)
	c := overSocket(t, path)
	resp, err := c.Post("http://casbah/api/v1/drain", "application/json", strings.NewReader(`{"server":"cas1"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || f.command.Who != me.Username {
		t.Errorf("status %d, who %q; want 200, %q", resp.StatusCode, f.command.Who, me.Username)
	}
	c.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}
