package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// S15: OWA uses the source address first and the UserContext cookie second.
// S26: when the bound server goes down the client is bound to another one.
// S95: with fallback, a sticky client of a server that is gone is served.
func TestOWASessionMovesOnceWhenItsServerStops(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		c := r.client("127.0.0.2")
		if a := c.logon("alice", "Secret1"); a.status != http.StatusOK || a.user != "alice" {
			t.Fatalf("logon: %+v", a)
		}
		first := one(t, c.pages(10))
		cas, _ := r.array.Named(first)
		cas.Stop()

		a := c.get("/owa/?page=3")
		if !strings.HasSuffix(a.path, "/owa/auth/logon.aspx") || a.server == first {
			t.Fatalf("after the stop: %s on %q, status %d; want the logon page of another server", a.path, a.server, a.status)
		}
		if a := c.logon("alice", "Secret1"); a.user != "alice" {
			t.Fatalf("second logon: %+v", a)
		}
		if second := one(t, c.pages(10)); second == first || second != a.server {
			t.Errorf("after the second logon pages come from %s; want %s", second, a.server)
		}
	})
}

// S68: a client whose address changes keeps its server by the second key.
// S10: OWA recognises UserContext.
func TestOWASessionFollowsACookieToAnotherAddress(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		c := r.client("127.0.0.2")
		c.logon("alice", "Secret1")
		first := one(t, c.pages(3))
		for _, source := range []string{"127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6"} {
			m := r.moved(c, source)
			if got := one(t, m.pages(2)); got != first {
				t.Errorf("from %s pages come from %s; want %s", source, got, first)
			}
		}
	})
}

// S16: ECP uses the source address first and the msExchEcpCanary cookie second.
// S7: ECP recognises msExchEcpCanary.
func TestECPSharesTheServerOfOWA(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m})
		c := r.client("127.0.0.2")
		c.logon("bob", "Secret2")
		first := one(t, c.pages(1))
		for _, source := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"} {
			m := r.moved(c, source)
			if a := m.get("/ecp/"); a.status != http.StatusOK || a.server != first || a.user != "bob" {
				t.Errorf("ECP from %s: status %d by %q for %q; want 200 by %s for bob", source, a.status, a.server, a.user, first)
			}
		}
	})
}

// S1: two requests from one address reach one server while the binding lives,
// whatever the algorithm would choose. S25: the algorithm chooses for the first.
func TestOneAddressOneServer(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`})
		want := r.client("127.0.0.9").get("/owa/").server
		for range 6 { // with two more browsers the address would be shared
			if got := r.client("127.0.0.9").get("/owa/").server; got != want {
				t.Errorf("a client of 127.0.0.9 is served by %s; want %s", got, want)
			}
		}
		seen := map[string]bool{}
		for _, source := range []string{"127.0.0.10", "127.0.0.11", "127.0.0.12"} {
			seen[r.client(source).get("/owa/").server] = true
		}
		if len(seen) != 3 {
			t.Errorf("three addresses share %d servers; want 3 by round_robin", len(seen))
		}
	})
}

// S21: Autodiscover has no affinity.
func TestAutodiscoverIsSpread(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`})
		seen := map[string]int{}
		for range 9 {
			// A connection of its own for each: the challenge in the 401 pins one.
			c := r.client("127.0.0.2")
			seen[c.do("POST", "/autodiscover/autodiscover.xml", "<x/>").server]++
		}
		for server, n := range seen {
			if n != 3 {
				t.Errorf("%s answered %d of 9 requests; want 3", server, n)
			}
		}
	})
}

// S46: casbah adds a Set-Cookie and routes requests that return it.
// S50, S74: a client that stores no cookie is served and never sticks.
// S6: casbah inserts its own cookie on OWA, ECP and PowerShell.
func TestInsertedCookie(t *testing.T) {
	t.Parallel()
	const only = "[[profile.%s.chain]]\nby = \"insert_cookie\"\n"
	for _, tt := range []struct{ profile, method, path string }{
		{"owa", "GET", "/owa/"}, {"ecp", "GET", "/ecp/"}, {"powershell", "POST", "/PowerShell/"},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			modes(t, func(t *testing.T, m mode) {
				r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`, extra: strings.ReplaceAll(only, "%s", tt.profile)})
				c := r.client("127.0.0.2")
				c.CheckRedirect = noRedirect
				first := c.do(tt.method, tt.path, "")
				if set := first.header.Get("Set-Cookie"); !strings.HasPrefix(set, "CASBAH_") || !strings.Contains(set, "HttpOnly") {
					t.Fatalf("Set-Cookie: %q; want casbah's own", set)
				}
				for range 6 {
					a := c.do(tt.method, tt.path, "")
					if a.server != first.server {
						t.Errorf("with the cookie %s answers; want %s", a.server, first.server)
					}
					if set := a.header.Get("Set-Cookie"); strings.HasPrefix(set, "CASBAH_") {
						t.Errorf("the cookie was issued again: %q", set)
					}
				}
				seen := map[string]bool{}
				for range 3 {
					// Each on a connection of its own: a challenge in a 401 pins one.
					without := r.client("127.0.0.2")
					without.Jar, without.CheckRedirect = nil, noRedirect
					seen[without.do(tt.method, tt.path, "").server] = true
				}
				if len(seen) != 3 {
					t.Errorf("without a cookie %d servers answer three requests; want 3", len(seen))
				}
			})
		})
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// S78: a server ends stickiness by a Set-Cookie whose expiry is past.
func TestLogoffEndsStickiness(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		chain := "[[profile.owa.chain]]\nby = \"cookie\"\nname = \"UserContext\"\n"
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`, extra: chain})
		c := r.client("127.0.0.2")
		c.logon("carol", "Secret3")
		one(t, c.pages(6))
		old := c.Jar.Cookies(mustURL(t, c.base+"/owa/"))
		c.get("/owa/auth/logoff.aspx")
		// A client that keeps presenting the old cookie is balanced like any other.
		c.Jar.SetCookies(mustURL(t, c.base+"/owa/"), old)
		c.CheckRedirect = noRedirect
		seen := map[string]bool{}
		for range 6 {
			seen[c.do("GET", "/owa/", "", "Accept", "text/html").server] = true
		}
		if len(seen) < 2 {
			t.Errorf("after logoff the old cookie still leads to one server: %v", seen)
		}
	})
}
