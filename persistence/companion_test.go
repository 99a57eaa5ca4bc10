package persistence

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"casbah/balance"
)

// mate is the companion of UserContext.
const mate = "CASBAH_MATE"

var mateOnly = []Step{{By: Cookie, Name: "UserContext", Companions: []Companion{{Of: "UserContext", Name: mate}}}}

// setCookies returns what the chain added to the response, read as a client does.
func (v *visit) setCookies(tb testing.TB) []*http.Cookie {
	tb.Helper()
	h := http.Header{}
	for line := range strings.SplitSeq(strings.TrimSuffix(v.added, "\r\n"), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(name, value)
		} else if line != "" {
			tb.Errorf("added %q, which is no header", line)
		}
	}
	return (&http.Response{Header: h}).Cookies()
}

// restarted is a site as after a restart with another binding.key: nothing but
// the passphrase is the same.
func restarted(t *testing.T, steps []Step, options ...func(*Config)) *site {
	t.Helper()
	s := newSite(t, steps, append([]func(*Config){func(c *Config) { c.Secret = Secret{99} }}, options...)...)
	s.choose = cas2
	return s
}

// S75: with the application's cookie the client gets one of casbah's own, which
// leads it to its server without the table, and only together with the other.
// S70 S77: not before the server sets its cookie, and not altered.
func TestCompanion(t *testing.T) {
	s := newSite(t, mateOnly)
	if v := s.send(client{}, answer{set: []string{"Other=1"}}); v.added != "" { // S70
		t.Errorf("added %q to a response without the application's cookie", v.added)
	}
	v := s.send(client{}, answer{set: []string{"UserContext=abc; path=/; HttpOnly"}})
	cs := v.setCookies(t)
	if len(cs) != 1 || cs[0].Name != mate || cs[0].Path != "/" || !cs[0].HttpOnly || cs[0].MaxAge != 0 || cs[0].Domain != "" {
		t.Fatalf("added %q; want a session cookie %s", v.added, mate)
	}
	own := v.issued()
	if strings.Contains(own, "abc") || strings.Contains(own, "cas1") {
		t.Errorf("%s shows what it holds", own)
	}
	for what, tt := range map[string]struct {
		cookie string
		server balance.ServerID
		why    Why
	}{
		"both":          {"UserContext=abc; " + own, cas1, Bound},
		"other-order":   {own + "; x=y; UserContext=abc", cas1, Bound},
		"two-sessions":  {own + "; UserContext=old; UserContext=abc", cas1, Bound},
		"alone":         {own, cas2, NoKey},
		"application":   {"UserContext=abc", cas2, Fresh},
		"other-session": {"UserContext=abd; " + own, cas2, Fresh},
		"other-name":    {"Usercontext=abc; " + own, cas2, NoKey},
		"empty":         {"UserContext=; " + own, cas2, NoKey},
		"altered":       {"UserContext=abc; " + own[:len(own)-9] + "AAAA" + own[len(own)-5:], cas2, Fresh}, // S77
		"two":           {"UserContext=abc; " + mate + "=bad; " + own, cas1, Bound},
	} {
		t.Run(what, func(t *testing.T) {
			r := restarted(t, mateOnly)
			v := r.send(client{cookie: tt.cookie}, answer{})
			r.expect(what, v, tt.server, tt.why)
			if n := r.chain.table.Len(); n != 0 {
				t.Errorf("%d bindings; want none", n)
			}
		})
	}
	t.Run("other-scope", func(t *testing.T) {
		r := restarted(t, mateOnly, func(c *Config) { c.Scope = "other" })
		r.expect("replayed", r.send(client{cookie: "UserContext=abc; " + own}, answer{}), cas2, Fresh)
	})
}

// S76: another value of the application's cookie, another companion.
func TestCompanionFollowsTheCookie(t *testing.T) {
	s := newSite(t, mateOnly)
	first := s.send(client{}, answer{set: []string{"UserContext=abc"}}).issued()
	second := s.send(client{cookie: "UserContext=abc; " + first}, answer{set: []string{"UserContext=xyz"}}).issued()
	if second == "" || second == first {
		t.Fatalf("the second companion is %q", second)
	}
	r := restarted(t, mateOnly)
	r.expect("new with new", r.send(client{cookie: "UserContext=xyz; " + second}, answer{}), cas1, Bound)
	r.expect("new with old", r.send(client{cookie: "UserContext=xyz; " + first}, answer{}), cas2, Fresh)
	r.expect("old with new", r.send(client{cookie: "UserContext=abc; " + second}, answer{}), cas2, Fresh)
}

// S78: with the application's cookie its companion ends.
func TestCompanionEndsWithTheCookie(t *testing.T) {
	for name, tt := range map[string]struct {
		set  []string
		ends bool
	}{
		"expires":       {[]string{"UserContext=; expires=Thu, 01-Jan-1970 00:00:00 GMT"}, true},
		"max-age":       {[]string{"UserContext=abc; Max-Age=0"}, true},
		"empty":         {[]string{"UserContext="}, true},
		"set-again":     {[]string{"UserContext=; Max-Age=0", "UserContext=xyz"}, false},
		"deleted-again": {[]string{"UserContext=xyz", "UserContext=; Max-Age=0"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, mateOnly)
			own := s.send(client{}, answer{set: []string{"UserContext=abc"}}).issued()
			v := s.send(client{cookie: "UserContext=abc; " + own}, answer{set: tt.set})
			cs := v.setCookies(t)
			if len(cs) != 1 || cs[0].Name != mate || cs[0].Path != "/" {
				t.Fatalf("added %q; want one cookie %s", v.added, mate)
			}
			ends := cs[0].MaxAge < 0 && cs[0].Expires.Unix() == 0 && cs[0].Value == ""
			if ends != tt.ends {
				t.Errorf("added %q; want it to end the companion: %v", v.added, tt.ends)
			}
		})
	}
}

// The table is full, and nobody loses the server.
func TestCompanionNeedsNoTable(t *testing.T) {
	s := newSite(t, mateOnly, func(c *Config) {
		c.Table, c.Full = NewTable(TableOptions{PerCore: 16, Cores: 1}), Refuse
	})
	const clients = 500
	cookies := make([]string, clients)
	for i := range cookies {
		s.choose = balance.ServerID(i%3 + 1)
		app := fmt.Sprintf("UserContext=%d", i)
		cookies[i] = app + "; " + s.send(client{}, answer{set: []string{app}}).issued()
	}
	if st := s.chain.table.Stats(s.now); st.Refusals == 0 {
		t.Fatalf("the table of %d held all", st.Capacity)
	}
	s.choose = cas1
	for i, cookie := range cookies {
		s.expect(cookie, s.send(client{cookie: cookie}, answer{}), balance.ServerID(i%3+1), Bound)
	}
}

// While it is used it is issued anew once a minute; unused it lasts as long as a
// binding does.
func TestCompanionLastsWhileUsed(t *testing.T) {
	idle := func(c *Config) { c.Timeout = 10 * time.Minute }
	s := newSite(t, mateOnly, idle)
	own := s.send(client{}, answer{set: []string{"UserContext=abc"}}).issued()
	r := restarted(t, mateOnly, idle)
	for range 10 {
		r.pass(30 * time.Second)
		if v := r.send(client{cookie: "UserContext=abc; " + own}, answer{}); v.added != "" {
			t.Errorf("issued again after half a minute: %q", v.added)
		}
		r.pass(9 * time.Minute)
		v := r.send(client{cookie: "UserContext=abc; " + own}, answer{})
		r.expect("in use", v, cas1, Bound)
		if own = v.issued(); own == "" {
			t.Fatal("not issued again")
		}
	}
	r.pass(10*time.Minute + 2*time.Second)
	r.expect("after the timeout", r.send(client{cookie: "UserContext=abc; " + own}, answer{}), cas2, Fresh)
}

// S69 S95 S96: a client whose server is gone gets a companion for the one that
// serves it; without fallback it is served by nobody.
func TestCompanionOfAGoneServer(t *testing.T) {
	s := newSite(t, mateOnly)
	own := s.send(client{}, answer{set: []string{"UserContext=abc"}}).issued()
	r := restarted(t, mateOnly)
	r.gone[cas1] = true
	v := r.send(client{cookie: "UserContext=abc; " + own}, answer{})
	r.expect("gone", v, cas2, Rebound)
	r.gone[cas1], r.choose = false, cas3
	r.expect("its new companion", r.send(client{cookie: "UserContext=abc; " + v.issued()}, answer{}), cas2, Bound)
	held := restarted(t, mateOnly, func(c *Config) { c.Fallback = false })
	held.gone[cas1] = true
	held.expect("without fallback", held.send(client{cookie: "UserContext=abc; " + own}, answer{}), 0, Lost)
}

// A companion of an old passphrase counts, and is issued anew.
func TestCompanionOfAnOldPassphrase(t *testing.T) {
	before := newSite(t, mateOnly, sealedBy(t, "passphrase of old"))
	own := before.send(client{}, answer{set: []string{"UserContext=abc"}}).issued()
	both := restarted(t, mateOnly, sealedBy(t, "passphrase now", "passphrase of old"))
	both.expect("another session", both.send(client{cookie: "UserContext=abd; " + own}, answer{}), cas2, Fresh)
	v := both.send(client{cookie: "UserContext=abc; " + own}, answer{})
	both.expect("under the old one", v, cas1, Bound)
	after := restarted(t, mateOnly, sealedBy(t, "passphrase now"))
	after.expect("issued anew", after.send(client{cookie: "UserContext=abc; " + v.issued()}, answer{}), cas1, Bound)
	after.expect("the old one", after.send(client{cookie: "UserContext=abc; " + own}, answer{}), cas2, Fresh)
}

// What one profile of a group issued leads in the other one too.
func TestCompanionInAGroup(t *testing.T) {
	s := newSite(t, mateOnly)
	own := s.send(client{}, answer{set: []string{"UserContext=abc"}}).issued()
	ecp := []Step{{By: Cookie, Name: "msExchEcpCanary", Also: []string{"UserContext"}, Companions: mateOnly[0].Companions}}
	r := restarted(t, ecp)
	r.expect("the other profile", r.send(client{cookie: "UserContext=abc; " + own}, answer{}), cas1, Bound)
}

// The binding of the table is newer than what the client holds.
func TestTableGoesBeforeCompanion(t *testing.T) {
	s := newSite(t, mateOnly)
	own := s.send(client{}, answer{set: []string{"UserContext=abc"}}).issued()
	s.choose = cas2
	s.send(client{}, answer{set: []string{"UserContext=abc"}}) // the other server takes the session over
	s.expect("both", s.send(client{cookie: "UserContext=abc; " + own}, answer{}), cas2, Bound)
}

func TestCompanionRefuses(t *testing.T) {
	sealer := newTestSealer(t, "x")
	ok := Config{Table: NewTable(TableOptions{}), Timeout: time.Hour, Sealer: sealer}
	for name, step := range map[string]Step{
		"any":    {By: Cookie, Name: "*", Companions: []Companion{{Of: "*", Name: "X"}}},
		"client": {By: Cookie, Name: "a", Origin: FromClient, Companions: []Companion{{Of: "a", Name: "X"}}},
		"name":   {By: Cookie, Name: "a", Companions: []Companion{{Of: "a", Name: "a b"}}},
	} {
		ok.Steps = []Step{step}
		if _, err := NewChain(ok); err == nil {
			t.Errorf("%s: NewChain accepts %+v", name, step)
		}
	}
	ok.Steps, ok.Sealer = mateOnly, nil
	if _, err := NewChain(ok); err == nil {
		t.Error("NewChain accepts a companion without a sealer")
	}
}
