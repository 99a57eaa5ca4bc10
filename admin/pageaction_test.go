package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"casbah/node"
)

// post sends a form as a browser does that stands on the page, without scripts.
func post(h http.Handler, form url.Values, head map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/order", strings.NewReader(form.Encode()))
	r.Host = "127.0.0.1:8404"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range head {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// drainForm is a confirmed order, with more fields that come in pairs.
func drainForm(more ...string) url.Values {
	form := url.Values{"do": {"drain"}, "server": {"cas1"}, "token": {token}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// Nobody orders anything but by the token in the form: what a browser adds by
// itself does not do, nor what a foreign page has it send.
func TestWhoMayOrderOnThePage(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		form url.Values
		head map[string]string
		code int
	}{
		{"token", Options{Loopback: true, Token: token}, drainForm(), nil, 303},
		{"same-origin", Options{Loopback: true, Token: token}, drainForm(), map[string]string{"Sec-Fetch-Site": "same-origin"}, 303},
		{"remote", Options{Token: token}, drainForm(), basic("ann", token), 303},
		{"wrong", Options{Loopback: true, Token: token}, drainForm("token", "wrong"), nil, 403},
		{"none", Options{Loopback: true, Token: token}, drainForm("token", ""), nil, 403},
		{"basic-alone", Options{Token: token}, drainForm("token", ""), basic("ann", token), 403},
		{"bearer-alone", Options{Token: token}, drainForm("token", ""), presenting("Bearer " + token), 403},
		{"cookie", Options{Loopback: true, Token: token}, drainForm("token", ""), map[string]string{"Cookie": "token=" + token}, 403},
		{"remote-without-reading", Options{Token: token}, drainForm(), nil, 401},
		{"cross-site", Options{Loopback: true, Token: token}, drainForm(), map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"own-origin", Options{Loopback: true, Token: token}, drainForm(), map[string]string{"Origin": "http://127.0.0.1:8404"}, 303},
		{"hidden-origin", Options{Loopback: true, Token: token}, drainForm(), map[string]string{"Origin": "null"}, 403},
		{"foreign-origin", Options{Loopback: true, Token: token}, drainForm(), map[string]string{"Origin": "https://evil.example"}, 403},
		{"no-token-set", Options{Loopback: true}, drainForm("token", ""), nil, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			w := post(New(f, tt.o), tt.form, tt.head)
			if w.Code != tt.code {
				t.Errorf("POST /order = %d %.300s; want %d", w.Code, w.Body, tt.code)
			}
			if done := f.command.Server != ""; done != (tt.code == 303) {
				t.Errorf("%d, and carried out: %t", w.Code, done)
			}
			if tt.code == 303 && w.Header().Get("Location") != "/" {
				t.Errorf("goes on to %q; want the page", w.Header().Get("Location"))
			}
			if w.Code == 403 && w.Header().Get("WWW-Authenticate") != "" {
				t.Error("the browser is told to ask for a password, which does not do")
			}
			if strings.Contains(w.Body.String(), token) {
				t.Error("the answer shows the token")
			}
		})
	}
}

// Every field of the forms comes to the node as it was meant.
func TestOrdersOfThePage(t *testing.T) {
	tests := []struct {
		name string
		form url.Values
		want node.Command
	}{
		{"drain", drainForm("firm", "yes", "for", "30", "wait", "60", "who", "ann", "why", "patches"), node.Command{State: "drain", Server: "cas1", Firm: true, Wait: time.Minute, Who: "ann", Why: "patches"}},
		{"soft", drainForm("pool", "cas", "profile", "owa"), node.Command{State: "drain", Server: "cas1", Pool: "cas", Profile: "owa", Wait: node.DefaultWait, Who: "token"}},
		{"maintenance", drainForm("do", "maintenance", "firm", "yes", "for", "30", "force", "yes"), node.Command{State: "maintenance", Server: "cas1", Wait: node.DefaultWait, Who: "token", Force: true}},
		{"ready", drainForm("do", "ready", "wait", "5", "force", "yes"), node.Command{State: "ready", Server: "cas1", Wait: node.DefaultWait, Who: "token"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, before := newFake(), time.Now()
			if w := post(New(f, Options{Loopback: true, Token: token}), tt.form, nil); w.Code != 303 {
				t.Fatalf("POST /order = %d %s", w.Code, w.Body)
			}
			if limit := tt.form.Get("for"); limit != "" && tt.want.State == "drain" {
				if left := f.command.Until.Sub(before); left < 30*time.Minute || left > 31*time.Minute {
					t.Errorf("ends in %v; want 30 minutes", left)
				}
				f.command.Until = time.Time{}
			}
			if diff := cmp.Diff(tt.want, f.command); diff != "" {
				t.Errorf("another order (-want +got):\n%s", diff)
			}
		})
	}
}

// What the API refuses comes back with the form, and what may be forced says so.
func TestRefusedOrdersOfThePage(t *testing.T) {
	tests := []struct {
		name   string
		refuse error
		form   url.Values
		code   int
		want   string
		force  bool
	}{
		{"bare", &node.BareError{Left: []string{"owa"}}, drainForm(), 409, "it would leave no server for new clients of owa", true},
		{"unknown", node.ErrUnknown, drainForm(), 404, "there is none of that name", false},
		{"both-ends", nil, drainForm("by", "22:00", "for", "5"), 400, "want one of the two", false},
		{"nothing", nil, drainForm("do", "rm"), 400, "want one of drain", false},
		{"not-saved", fmt.Errorf("%w: disk full", node.ErrUnsaved), drainForm(), 500, "Done: in force, but it would not outlive a restart: disk full", false},
		{"timeout-not-saved", fmt.Errorf("%w: disk full", node.ErrUnsaved), url.Values{"do": {"timeout"}, "profile": {"owa"}, "minutes": {"5"}, "token": {token}}, 500, "Done: in force, but it would not outlive a restart: disk full", false},
		{"starting", errors.New("casbah is starting"), drainForm(), 503, "Not done: casbah is starting", false},
		{"minutes", nil, url.Values{"do": {"timeout"}, "profile": {"owa"}, "minutes": {"soon"}, "token": {token}}, 400, "minutes: want a whole number", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			f.refuse = tt.refuse
			w := post(New(f, Options{Loopback: true, Token: token}), tt.form, nil)
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("POST /order = %d %s; want %d %q", w.Code, w.Body, tt.code, tt.want)
			}
			if strings.Contains(w.Body.String(), `name="force"`) != tt.force {
				t.Errorf("may be forced: %t; want %t", !tt.force, tt.force)
			}
			if !strings.Contains(w.Body.String(), `role="alert"`) || strings.Contains(w.Body.String(), token) {
				t.Error("the refusal does not stand out, or shows the token")
			}
		})
	}
}

// S58: the persistence timeout is entered in minutes.
func TestTimeoutOnThePage(t *testing.T) {
	f := newFake()
	h := New(f, Options{Loopback: true, Token: token})
	form := ask{method: "GET", path: "/order?do=timeout&profile=owa"}.of(h).Body.String()
	if !strings.Contains(form, `Persistence timeout in minutes <input type="number" name="minutes"`) {
		t.Errorf("no field for minutes:\n%s", form)
	}
	for text, want := range map[string]int{"45": 45, "": 0, "0": 0} {
		w := post(h, url.Values{"do": {"timeout"}, "profile": {"owa"}, "minutes": {text}, "who": {"ann"}, "why": {"full"}, "token": {token}}, nil)
		if got := f.timeout; w.Code != 303 || got.Profile != "owa" || got.Minutes != want || got.Who != "ann" || got.Why != "full" {
			t.Errorf("%q minutes: %d %+v; want %d minutes of owa", text, w.Code, got, want)
		}
		f.timeout = node.Timeout{}
	}
}

func TestReloadOnThePage(t *testing.T) {
	f := newFake()
	h := New(f, Options{Loopback: true, Token: token})
	if w := post(h, url.Values{"do": {"reload"}, "token": {token}}, nil); w.Code != 303 || f.reloads.Load() != 1 {
		t.Errorf("reload = %d, %d reloads", w.Code, f.reloads.Load())
	}
	f.refuse = errMistake
	if w := post(h, url.Values{"do": {"reload"}, "token": {token}}, nil); w.Code != 422 || !strings.Contains(w.Body.String(), "casbah.toml:3:1: unknown key") {
		t.Errorf("refused reload = %d %s", w.Code, w.Body)
	}
}

// Forms stand on pages that may send them to casbah, and nowhere else; the page
// itself may send none. They are read as the page is.
func TestSheetsAreGuarded(t *testing.T) {
	h := New(newFake(), Options{Token: token})
	for _, path := range []string{"/order?server=cas1", "/order/confirm?do=drain&server=cas1"} {
		if w := (ask{method: "GET", path: path, host: "lb.example.org"}).of(h); w.Code != 401 {
			t.Errorf("GET %s = %d; want 401 without the token", path, w.Code)
		}
		w := ask{method: "GET", path: path, host: "lb.example.org", head: basic("", token)}.of(h)
		got := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(got, want) {
				t.Errorf("GET %s: policy %q lacks %q", path, got, want)
			}
		}
		if w.Code != 200 || strings.Contains(got, "unsafe") || w.Header().Get("Referrer-Policy") != "same-origin" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s = %d %v", path, w.Code, w.Header())
		}
	}
	if w := (ask{method: "GET", path: "/", host: "lb.example.org", head: basic("", token)}).of(h); !strings.Contains(w.Header().Get("Content-Security-Policy"), "form-action 'none'") {
		t.Error("the page may send forms")
	}
}

// A form longer than any order is refused, not read.
func TestLongForm(t *testing.T) {
	f := newFake()
	w := post(New(f, Options{Loopback: true, Token: token}), drainForm("why", strings.Repeat("x", maxForm)), nil)
	if w.Code != http.StatusBadRequest || f.command.Server != "" {
		t.Errorf("a form of %d octets = %d", maxForm, w.Code)
	}
}
