package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"casbah/lab"
)

// stuckTo is a profile of OWA with one step, probed so that a stop shows.
const stuckTo = "[profile.owa]\nfallback = %v\nchain = [%s]\n" + probedOWA

const probedOWA = "[profile.owa.probe]\npath = \"/owa/healthcheck.htm\"\ninterval = \"500ms\"\ntimeout = \"450ms\"\nrise = 1\nfall = 1\n"

// S69, S91, S96: with fallback = false, a client whose server is down gets 502
// for as long as it shows the cookie, and is served without it. S95: with the
// default it is served at once. When the server is back it has its client again.
func TestFallback(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]string{
		"application": `{ by = "cookie", name = "UserContext" }`, "inserted": `{ by = "insert_cookie" }`,
	} {
		for _, fallback := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, fallback), func(t *testing.T) {
				modes(t, func(t *testing.T, m mode) { losesItsServer(t, m, step, fallback) })
			})
		}
	}
}

// losesItsServer has a client's server stop.
func losesItsServer(t *testing.T, m mode, step string, fallback bool) {
	t.Helper()
	r := newRig(t, setup{mode: m, lab: lab.Options{Servers: 2}, profiles: `"owa"`, extra: fmt.Sprintf(stuckTo, fallback, step)})
	c := r.client("127.0.0.2")
	c.logon("alice", "Secret1")
	home := one(t, c.pages(3))
	cas, _ := r.array.Named(home)
	cas.Stop()
	r.until("the server is down", func() bool { return r.anyService(func(st string) bool { return st == "down" }) })
	c.CheckRedirect = noRedirect
	if !fallback {
		for range 3 {
			if a := c.get("/owa/?page=2"); a.status != http.StatusBadGateway || a.server != "" {
				t.Errorf("with the cookie: status %d by %q; want 502 by nobody", a.status, a.server)
			}
		}
	}
	anonymous := r.client("127.0.0.2")
	anonymous.CheckRedirect = noRedirect
	if a := anonymous.get("/owa/"); a.server == "" || a.server == home {
		t.Errorf("without the cookie: status %d by %q; want the other server", a.status, a.server)
	}
	if fallback {
		if a := c.get("/owa/?page=2"); a.server == "" || a.server == home {
			t.Errorf("with fallback: status %d by %q; want the other server", a.status, a.server)
		}
		return
	}
	if err := cas.Start(); err != nil {
		t.Fatal(err)
	}
	r.until("the server is up", func() bool { return !r.anyService(func(st string) bool { return st != "up" }) })
	if a := c.get("/owa/"); a.server != home {
		t.Errorf("when the server is back: status %d by %q; want %s", a.status, a.server, home)
	}
}
