package lab

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const typeForm = "application/x-www-form-urlencoded"

func logon(b *browser, s *CAS, user, password string) answer {
	b.t.Helper()
	return b.send("POST", address(s, "/owa/auth/owaauth.dll"), form(user, password), "Content-Type", typeForm)
}

func TestLogonAndPages(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	b, s := newBrowser(t), a.CAS(0)
	first := b.send("GET", address(s, "/"), "")
	if got := first.Header.Get("Location"); first.StatusCode != 302 || got != "/owa/" {
		t.Errorf("GET / = %d %q; want 302 /owa/", first.StatusCode, got)
	}
	page := b.send("GET", address(s, "/owa/"), "")
	if got := page.Header.Get("Location"); page.StatusCode != 302 || !strings.HasPrefix(got, "/owa/auth/logon.aspx?url=%2Fowa%2F") {
		t.Errorf("GET /owa/ = %d %q; want 302 to the logon page", page.StatusCode, got)
	}
	if p := b.send("GET", address(s, "/owa/auth/logon.aspx?url=/owa/"), ""); p.StatusCode != 200 ||
		!strings.Contains(p.body, `action="/owa/auth/owaauth.dll"`) || !strings.Contains(p.body, "Microsoft Corporation") {
		t.Errorf("logon page = %d %q", p.StatusCode, p.body)
	}
	in := logon(b, s, `LAB\Alice`, "Secret1")
	if got := in.Header.Get("Location"); in.StatusCode != 302 || got != "/owa/?page=3" {
		t.Fatalf("logon = %d %q; want 302 /owa/?page=3", in.StatusCode, got)
	}
	var names []string
	for _, c := range in.Cookies() {
		names = append(names, c.Name)
	}
	if want := []string{"sessionid", "cadata", "UserContext"}; !slices.Equal(names, want) {
		t.Errorf("logon set %v; want %v", names, want)
	}
	p := b.send("GET", address(s, "/owa/?page=7"), "")
	for _, want := range []string{`id="server">cas1<`, `id="user">alice<`, `id="page">7<`, `/owa/?page=8`, `/owa/?page=6`} {
		if !strings.Contains(p.body, want) {
			t.Errorf("page lacks %q", want)
		}
	}
	if got := p.Header.Get("X-Lab-User"); got != "alice" || p.Header.Get("X-Lab-Server") != "cas1" {
		t.Errorf("page is %s's on %s", got, p.Header.Get("X-Lab-Server"))
	}
}

func TestWrongPasswordAtTheForm(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	b := newBrowser(t)
	in := logon(b, a.CAS(0), "alice", "Secret2")
	if got := in.Header.Get("Location"); !strings.Contains(got, "reason=2") || len(in.Cookies()) != 0 {
		t.Errorf("logon with a wrong password leads to %q and sets %v", got, in.Cookies())
	}
	p := b.send("GET", address(a.CAS(0), in.Header.Get("Location")), "")
	if !strings.Contains(p.body, "isn&#39;t correct") && !strings.Contains(p.body, "isn't correct") {
		t.Error("the logon page does not say that the password was wrong")
	}
	if n := a.CAS(0).Counts(); n.Refused != 1 || n.Logons != 0 {
		t.Errorf("counted %d refused, %d logons; want 1, 0", n.Refused, n.Logons)
	}
}

// A login means nothing on another CAS: people see the logon page, scripts 440.
func TestForeignCookie(t *testing.T) {
	a := newArray(t, Options{Servers: 2})
	b := newBrowser(t)
	logon(b, a.CAS(0), "alice", "Secret1")
	tests := []struct {
		name, method, path, field, value string
		want                             string
	}{
		{"script", "GET", "/owa/", "Sec-Fetch-Mode", "cors", "440 Login Timeout"},
		{"ajax", "GET", "/owa/", "X-Requested-With", "XMLHttpRequest", "440 Login Timeout"},
		{"curl", "GET", "/owa/?page=2", "Accept", "*/*", "440 Login Timeout"},
		{"post", "POST", "/owa/ev.owa?ns=x", "Accept", "text/html", "440 Login Timeout"},
		{"pending", "GET", "/owa/ev.owa?ns=PendingRequest", "Accept", "*/*", "440 Login Timeout"},
		{"browser", "GET", "/owa/", "Accept", "text/html,*/*", "302 Found"},
		{"navigation", "GET", "/owa/", "Sec-Fetch-Mode", "navigate", "302 Found"},
		{"panel", "GET", "/ecp/", "Accept", "*/*", "440 Login Timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The jar keeps cookies by host, and both CAS are on one.
			got := b.send(tt.method, address(a.CAS(1), tt.path), "", tt.field, tt.value)
			if got.Status != tt.want {
				t.Errorf("%s %s = %q; want %q", tt.method, tt.path, got.Status, tt.want)
			}
		})
	}
	if got := b.send("GET", address(a.CAS(0), "/owa/"), ""); got.StatusCode != 200 {
		t.Errorf("on its own CAS = %d; want 200", got.StatusCode)
	}
}

// Both cookies of the login count: one CAS's sessionid with another's cadata is
// nobody.
func TestMixedLogin(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	one, two := logon(newBrowser(t), a.CAS(0), "alice", "Secret1"), logon(newBrowser(t), a.CAS(0), "bob", "Secret2")
	cookies := func(session, data answer) string {
		return session.Cookies()[0].String() + "; " + data.Cookies()[1].String()
	}
	for want, line := range map[int]string{200: cookies(one, one), 440: cookies(one, two)} {
		if got := newBrowser(t).send("GET", address(a.CAS(0), "/owa/"), "", "Cookie", line); got.StatusCode != want {
			t.Errorf("GET with %q = %d; want %d", line, got.StatusCode, want)
		}
	}
}

func TestLogoff(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	b, s := newBrowser(t), a.CAS(0)
	logon(b, s, "bob", "Secret2")
	out := b.send("GET", address(s, "/owa/auth/logoff.aspx"), "")
	past := 0
	for _, c := range out.Cookies() {
		if c.Expires.Before(time.Now()) && !c.Expires.IsZero() {
			past++
		}
	}
	if past != 4 {
		t.Errorf("logoff took back %d cookies; want 4: %v", past, out.Header["Set-Cookie"])
	}
	if got := b.send("GET", address(s, "/owa/"), ""); got.StatusCode != 302 {
		t.Errorf("after logoff = %d; want 302", got.StatusCode)
	}
}

// A CAS that was restarted knows nobody.
func TestStopForgetsSessions(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	b, s := newBrowser(t), a.CAS(0)
	logon(b, s, "bob", "Secret2")
	before := s.Addr()
	s.Stop()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != before {
		t.Errorf("listens on %s after a restart; want %s", s.Addr(), before)
	}
	if got := b.send("GET", address(s, "/owa/"), "", "Accept", "*/*"); got.StatusCode != 440 {
		t.Errorf("after a restart = %d; want 440", got.StatusCode)
	}
}

func TestPendingRequestTellsOfMail(t *testing.T) {
	a := newArray(t, Options{Servers: 2, Interval: time.Hour})
	b, s := newBrowser(t), a.CAS(1)
	logon(b, s, "carol", "Secret3")
	lines := b.stream(http.MethodGet, address(s, "/owa/ev.owa?ns=PendingRequest"), "")
	if got := <-lines; !strings.Contains(got, "stPend") {
		t.Errorf("first chunk = %q", got)
	}
	if err := a.DeliverMail("carol"); err != nil {
		t.Fatal(err)
	}
	if got := <-lines; !strings.Contains(got, "newMail(1)") {
		t.Errorf("second chunk = %q; want newMail(1)", got)
	}
}

func TestControlPanel(t *testing.T) {
	a := newArray(t, Options{Servers: 1})
	b, s := newBrowser(t), a.CAS(0)
	if got := b.send("GET", address(s, "/ecp/"), ""); got.StatusCode != 302 {
		t.Errorf("without a login = %d; want 302", got.StatusCode)
	}
	logon(b, s, "dave", "Secret4")
	got := b.send("GET", address(s, "/ecp/"), "")
	if got.StatusCode != 200 || len(got.Cookies()) != 1 || got.Cookies()[0].Name != "msExchEcpCanary" {
		t.Fatalf("panel = %d %v; want 200 and the canary", got.StatusCode, got.Cookies())
	}
	canary := got.Cookies()[0].Value
	tests := []struct {
		name, query string
		want        int
	}{
		{"canary", "?msExchEcpCanary=" + canary, 200},
		{"none", "", 440},
		{"other", "?msExchEcpCanary=0123", 440},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.send("POST", address(s, "/ecp/x.svc/Get"+tt.query), "{}"); got.StatusCode != tt.want {
				t.Errorf("POST = %d; want %d", got.StatusCode, tt.want)
			}
		})
	}
}

func TestFormGoesNowhereElse(t *testing.T) {
	tests := []struct{ in, want string }{
		{"/owa/?page=2", "/owa/?page=2"},
		{"https://mail.lab.test/ecp/?p=1", "/ecp/?p=1"},
		{"//evil.example/owa", "/owa"},
		{"https://evil.example//x", "/owa/"},
		{`/\evil.example`, "/owa/"},
		{"javascript:alert(1)", "/owa/"},
		{"", "/owa/"},
	}
	for _, tt := range tests {
		if got := localPath(tt.in); got != tt.want {
			t.Errorf("localPath(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}
