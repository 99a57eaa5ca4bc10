package lab

import (
	"strings"
	"testing"
)

// A server that is taken out of service says so on its health pages, and works on;
// what one page tells is not what another one does.
func TestHealthPages(t *testing.T) {
	a := newArray(t, Options{Servers: 2, Mail: true})
	check := func(what, path string, code int, body string) {
		t.Helper()
		got := newBrowser(t).send("GET", address(a.CAS(0), path), "")
		if got.StatusCode != code || !strings.Contains(got.body, body) {
			t.Errorf("%s: GET %s = %d %q; want %d with %q", what, path, got.StatusCode, got.body, code, body)
		}
	}
	order := func(words ...string) {
		t.Helper()
		if err := a.Order(words...); err != nil {
			t.Fatal(err)
		}
	}
	check("at first", "/owa/healthcheck.htm", 200, "200 OK<br/>CAS1.lab.test")
	order("cas1", "owa", "offline")
	check("owa off", "/owa/healthcheck.htm", 503, "")
	check("owa off", "/ews/healthcheck.htm", 200, "CAS1")
	check("owa off", "/owa/auth/logon.aspx", 200, "Sign in")
	order("cas1", "offline")
	check("all off", "/ews/healthcheck.htm", 503, "")
	if got := mailWire(t, a.CAS(0), "smtp", false).line(); got != "421 4.3.2 Service not active" {
		t.Errorf("all off: SMTP greets with %q", got)
	}
	order("cas1", "online")
	check("back", "/owa/healthcheck.htm", 200, "CAS1")
	order("cas1", "name", "cas2")
	check("misrouted", "/owa/healthcheck.htm", 200, "200 OK<br/>CAS2.lab.test")
	order("cas1", "ok")
	check("healed", "/owa/healthcheck.htm", 200, "CAS1")
}

// An account that is refused exists, and nobody is let in with it.
func TestRefusedAccount(t *testing.T) {
	u := NewUsers()
	for _, refused := range []bool{true, false} {
		u.Refuse(`LAB\Probe`, refused)
		if _, ok := u.check("probe", ProbePassword); ok == refused {
			t.Errorf("refused %v, let in %v", refused, ok)
		}
		if _, ok := u.known("probe@lab.test"); !ok {
			t.Error("the account is gone")
		}
	}
}
