package persistence

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"
)

var insertOnly = []Step{{By: InsertCookie}}

// insertAs is a step with the attributes.
func insertAs(in Insert) []Step { return []Step{{By: InsertCookie, Insert: in}} }

// S6 S46 S56 S80 S100.
func TestInsertedCookieNamesTheServer(t *testing.T) {
	s := newSite(t, insertOnly)
	first := s.send(client{addr: "192.0.2.7"}, answer{})
	s.expect("first request", first, cas1, NoKey)
	s.choose = cas2
	for range 3 {
		v := s.send(client{addr: "198.51.100.9", cookie: "a=b; " + first.issued()}, answer{})
		s.expect("with the cookie", v, cas1, Bound)
		if v.added != "" {
			t.Errorf("added %q to a response whose client has the cookie", v.added)
		}
	}
	if n := s.chain.table.Len(); n != 0 {
		t.Errorf("%d bindings; want no state", n)
	}
}

// S50 S74.
func TestClientWithoutCookiesIsBalanced(t *testing.T) {
	s := newSite(t, insertOnly)
	for _, id := range []Member{members[2], members[0], members[1]} {
		s.choose = id.ID
		s.expect("no cookie", s.send(client{addr: "192.0.2.7"}, answer{}), id.ID, NoKey)
	}
}

// S53 S54 S55 S84 S86 S88 S90 S104.
func TestInsertedCookieAttributes(t *testing.T) {
	const value = `[A-Za-z0-9_-]{96}`
	tests := []struct {
		name string
		in   Insert
		want string
	}{
		{"session-v0", Insert{}, "X=" + value + "; Path=/"},
		{"session-v1", Insert{Version: 1}, "X=" + value + "; Path=/"},
		{"expires", Insert{Timeout: 2 * time.Hour}, "X=" + value + "; Expires=Fri, 02 Jan 2026 05:04:05 GMT; Path=/"},
		{"max-age", Insert{Version: 1, Timeout: 2 * time.Hour}, "X=" + value + "; Max-Age=7200; Path=/"},
		{"max-age-least", Insert{Version: 1, Timeout: time.Second}, "X=" + value + "; Max-Age=1; Path=/"},
		{"domain", Insert{Domain: "example.org"}, "X=" + value + "; Path=/; Domain=example.org"},
		{
			"all",
			Insert{Path: "/owa", Secure: true, HTTPOnly: true, SameSite: "None"},
			"X=" + value + "; Path=/owa; Secure; HttpOnly; SameSite=None",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Name = "X"
			s := newSite(t, insertAs(tt.in))
			got := s.send(client{}, answer{}).added
			if !regexp.MustCompile("^Set-Cookie: " + tt.want + "\r\n$").MatchString(got) {
				t.Errorf("added %q; want %s", got, tt.want)
			}
		})
	}
}

func TestInsertRefuses(t *testing.T) {
	for name, in := range map[string]Insert{
		"name":           {Name: "a\r\nX: y"},
		"version":        {Version: 2},
		"negative":       {Timeout: -time.Second},
		"under-a-second": {Timeout: time.Second - 1}, // S87
		"path":           {Path: "owa"},
		"path-line":      {Path: "/\r\nX: y"},
		"domain":         {Domain: "a;b"},
		"same-site":      {SameSite: "Maybe"},
		"none-insecure":  {SameSite: "None"},
	} {
		t.Run(name, func(t *testing.T) {
			sealer, _ := NewSealer([]byte("x"))
			if _, err := NewChain(Config{Steps: insertAs(in), Sealer: sealer}); err == nil {
				t.Errorf("NewChain accepts %+v", in)
			}
		})
	}
}

// S77 S93 S94: what is not a cookie for this scope selects nothing.
func TestForeignCookieIsIgnored(t *testing.T) {
	good := newSite(t, insertOnly).send(client{}, answer{}).issued()
	name, value, _ := strings.Cut(good, "=")
	flipped := []byte(value)
	flipped[40] ^= 1
	otherScope := newSite(t, insertAs(Insert{Name: name}), func(c *Config) { c.Scope = "other" })
	sealer, _ := NewSealer([]byte("close sesame"))
	otherKey := newSite(t, insertOnly, func(c *Config) { c.Sealer = sealer })
	otherPool := newSite(t, insertOnly, func(c *Config) { c.Members = []Member{{ID: cas1, Name: "elsewhere"}} })
	for what, cookie := range map[string]string{
		"altered":     name + "=" + string(flipped),
		"cut":         name + "=" + value[:len(value)-4],
		"empty":       name + "=",
		"server-name": name + "=cas1",
		"huge":        name + "=" + strings.Repeat("A", 5000),
		"scope":       otherScope.send(client{}, answer{}).issued(),
		"passphrase":  otherKey.send(client{}, answer{}).issued(),
		"server":      otherPool.send(client{}, answer{}).issued(),
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t, insertOnly)
			s.choose = cas3
			v := s.send(client{cookie: cookie}, answer{})
			s.expect("foreign cookie", v, cas3, NoKey)
			if v.walk.Readings[0].Use != Foreign {
				t.Errorf("reading is %q; want %q", v.walk.Readings[0].Use, Foreign)
			}
			if v.issued() == "" {
				t.Error("no new cookie issued")
			}
			s.choose = cas1
			s.expect("a good one beside it", s.send(client{cookie: cookie + "; " + v.issued()}, answer{}), cas3, Bound)
		})
	}
}

// The chain must state insert_cookie, or its cookies count for nothing. S93.
func TestCookieCountsOnlyWhereTheStepIs(t *testing.T) {
	good := newSite(t, insertOnly).send(client{}, answer{}).issued()
	s := newSite(t, []Step{{By: None}})
	s.choose = cas2
	s.expect("other chain", s.send(client{cookie: good}, answer{}), cas2, NoKey)
}

// S103: the timeout is one of inactivity.
func TestInsertedCookieIsRefreshedByUse(t *testing.T) {
	s := newSite(t, insertAs(Insert{Timeout: 10 * time.Minute}))
	cookie := s.send(client{}, answer{}).issued()
	s.choose = cas2
	for range 20 {
		s.pass(9 * time.Minute)
		v := s.send(client{cookie: cookie}, answer{})
		s.expect("in use", v, cas1, Bound)
		if cookie = v.issued(); cookie == "" {
			t.Fatal("not issued again")
		}
		if again := s.send(client{cookie: cookie}, answer{}).added; again != "" {
			t.Fatalf("issued again at once: %q", again)
		}
	}
	s.pass(10*time.Minute + 2*time.Second)
	v := s.send(client{cookie: cookie}, answer{})
	s.expect("after the timeout", v, cas2, NoKey)
	if v.walk.Readings[0].Use != Outdated {
		t.Errorf("reading is %q; want %q", v.walk.Readings[0].Use, Outdated)
	}
}

// While it is used a cookie is issued once a minute, and half-way through a
// timeout of less than two. Its age is that of the time of the answer.
func TestInsertedCookieIsRefreshedSeldom(t *testing.T) {
	for _, tt := range []struct{ timeout, young, old time.Duration }{
		{8 * time.Hour, 59 * time.Second, time.Minute},
		{time.Minute, 29 * time.Second, 30 * time.Second},
	} {
		t.Run(tt.timeout.String(), func(t *testing.T) {
			s := newSite(t, insertAs(Insert{Timeout: tt.timeout}))
			c := client{cookie: s.send(client{}, answer{}).issued()}
			s.pass(tt.young)
			if v := s.send(c, answer{}); v.added != "" {
				t.Errorf("issued again after %v", tt.young)
			}
			var w Walk
			s.chain.Walk(s.now, c.request(t), s, &w)
			s.pass(tt.old - tt.young)
			if len(s.chain.Learn(s.now, &w, cas1, answer{}.response(t), nil)) == 0 {
				t.Errorf("not issued again in an answer after %v", tt.old)
			}
		})
	}
}

// A session cookie is never outdated: the client forgets it.
func TestSessionCookieDoesNotAge(t *testing.T) {
	s := newSite(t, insertOnly)
	cookie := s.send(client{}, answer{}).issued()
	s.choose = cas2
	s.pass(1000 * time.Hour)
	s.expect("much later", s.send(client{cookie: cookie}, answer{}), cas1, Bound)
}

// S26 S95 for the inserted cookie.
func TestInsertedCookieOfAGoneServer(t *testing.T) {
	s := newSite(t, insertOnly)
	old := s.send(client{}, answer{}).issued()
	s.gone[cas1], s.choose = true, cas2
	v := s.send(client{cookie: old}, answer{})
	s.expect("gone", v, cas2, Rebound)
	s.gone[cas1], s.choose = false, cas3
	s.expect("new cookie", s.send(client{cookie: v.issued()}, answer{}), cas2, Bound)
}

// S96 for the inserted cookie.
func TestInsertedCookieHolds(t *testing.T) {
	s := newSite(t, insertOnly, func(c *Config) { c.Fallback = false })
	cookie := s.send(client{}, answer{}).issued()
	s.gone[cas1], s.choose = true, cas2
	s.expect("held", s.send(client{cookie: cookie}, answer{}), 0, Lost)
	s.expect("without it", s.send(client{}, answer{}), cas2, NoKey)
}

// An address may carry many clients: the cookie of one of them decides for it.
func TestInsertedCookieOverrulesAddress(t *testing.T) {
	s := newSite(t, owaSteps)
	cookie := s.send(client{addr: "192.0.2.1"}, answer{}).issued()
	s.choose = cas2
	s.send(client{addr: "192.0.2.2"}, answer{})
	s.expect("conflict", s.send(client{addr: "192.0.2.2", cookie: cookie}, answer{}), cas1, Conflict)
}

// The value shows neither server nor address, and hardly its length. S49 S77.
func TestSealedValueIsOpaque(t *testing.T) {
	sealer, _ := NewSealer([]byte("x"))
	seen := map[string]bool{}
	for _, server := range []string{"a", "cas1", "mail-server-number-23"} {
		for range 10 {
			v := string(sealer.appendSeal(nil, []byte("scope"), server, 1, Key{}))
			raw, err := base64.RawURLEncoding.DecodeString(v)
			if err != nil || len(v) != 96 || strings.Contains(string(raw), server) && len(server) > 3 || seen[v] {
				t.Errorf("value %q of %s", v, server)
			}
			seen[v] = true
		}
	}
	if _, err := NewSealer(nil); err == nil {
		t.Error("NewSealer accepts an empty passphrase")
	}
}

// Where the last character has bits to spare, another one with the same octets
// does not open either. S77.
func TestSealedValueHasOneSpelling(t *testing.T) {
	sealer, _ := NewSealer([]byte("x"))
	all := []Member{{ID: cas1, Name: strings.Repeat("n", 40)}}
	v := sealer.appendSeal(nil, []byte("s"), all[0].Name, 77, Key{})
	if len(v)%4 == 0 {
		t.Fatalf("a value of %d characters has no bits to spare", len(v))
	}
	opened := 0
	for c := range byte(128) {
		v[len(v)-1] = c
		if _, ok := sealer.open(v, []byte("s"), all); ok {
			opened++
		}
	}
	if opened != 1 {
		t.Errorf("%d spellings open; want 1", opened)
	}
}

func TestLongestServerName(t *testing.T) {
	sealer, _ := NewSealer([]byte("x"))
	long := strings.Repeat("n", maxServerName)
	all := []Member{{ID: cas1, Name: "cas1"}, {ID: cas2, Name: long}}
	v := sealer.appendSeal(nil, []byte("s"), long, 77, Key{hi: 1, lo: 2})
	want := opened{member: 1, issued: 77, mate: Key{hi: 1, lo: 2}}
	if got, ok := sealer.open(v, []byte("s"), all); got != want || !ok {
		t.Errorf("open = %+v, %v; want %+v, true", got, ok, want)
	}
	all[1].Name += "n"
	if _, err := NewChain(Config{Steps: insertOnly, Sealer: sealer, Members: all}); err == nil {
		t.Error("NewChain accepts a name that cannot be sealed")
	}
}
