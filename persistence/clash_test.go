package persistence

import (
	"fmt"
	"testing"
)

// S82: whoever else makes a cookie of the name of casbah's own is noticed.
func TestClashIsNoticed(t *testing.T) {
	plain := []Step{{By: Cookie, Name: "UserContext"}}
	for what, tt := range map[string]struct {
		steps  []Step
		cookie string
		set    []string
		clash  string
		byHim  bool // the server
	}{
		"none":           {insertAs(Insert{Name: "OWN"}), "a=b; OWNER=1; own=2", []string{"OWNER=1", "own=2", "x=OWN=3"}, "", false},
		"set":            {insertAs(Insert{Name: "OWN"}), "", []string{"a=b", "OWN=1; path=/"}, "OWN", true},
		"set-elsewhere":  {insertAs(Insert{Name: "OWN"}), "", []string{" OWN =1; Domain=example.org"}, "OWN", true},
		"brought":        {insertAs(Insert{Name: "OWN"}), "OWN=1", nil, "OWN", false},
		"both":           {insertAs(Insert{Name: "OWN"}), "OWN=1", []string{"OWN=1"}, "OWN", true},
		"companion-set":  {mateOnly, "", []string{mate + "=1"}, mate, true},
		"companion":      {mateOnly, mate + "=1", nil, mate, false},
		"no-own-cookies": {plain, "OWN=1; " + mate + "=1", []string{"OWN=1"}, "", false},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t, tt.steps)
			v := s.send(client{cookie: tt.cookie}, answer{set: tt.set})
			if name, set := s.chain.Clash(&v.walk); name != tt.clash || set != tt.byHim {
				t.Errorf("clash %q, by the server %v; want %q, %v", name, set, tt.clash, tt.byHim)
			}
			next := s.send(client{}, answer{})
			if name, _ := s.chain.Clash(&next.walk); name != "" {
				t.Errorf("the next request has clash %q too", name)
			}
		})
	}
}

// A good cookie of a server that left the pool, or one that is outdated, is casbah's.
func TestOwnCookieIsNoClash(t *testing.T) {
	s := newSite(t, insertAs(Insert{Name: "OWN"}))
	cookie := s.send(client{}, answer{}).issued()
	smaller := newSite(t, insertAs(Insert{Name: "OWN"}), func(c *Config) { c.Members = members[1:] })
	smaller.choose = cas2
	v := smaller.send(client{cookie: cookie}, answer{})
	smaller.expect("left the pool", v, cas2, NoKey)
	if name, _ := smaller.chain.Clash(&v.walk); name != "" || v.walk.Readings[0].Use != Foreign {
		t.Errorf("clash %q, reading %q; want none, %q", name, v.walk.Readings[0].Use, Foreign)
	}
}

// S50 S101: a client that comes without the cookie it was given can be told.
func TestIssuedAndMissing(t *testing.T) {
	s := newSite(t, append([]Step{{By: SourceIP}}, insertAs(Insert{Name: "OWN"})...))
	cookie := s.send(client{}, answer{}).issued()
	for what, tt := range map[string]struct {
		cookie, issued string
		missing        bool
	}{
		"without": {"", "OWN", true},
		"with":    {cookie, "", false},
		"bad":     {"OWN=bad", "OWN", false},
	} {
		v := s.send(client{addr: "192.0.2.7", cookie: tt.cookie}, answer{})
		if name, missing := s.chain.Issued(&v.walk); name != tt.issued || missing != tt.missing {
			t.Errorf("%s the cookie: issued %q, missing %v; want %q, %v", what, name, missing, tt.issued, tt.missing)
		}
	}
}

// S32 S33 S56 S100: a cookie takes nothing of the table, however many clients
// there are.
func TestInsertedCookieKeepsNoState(t *testing.T) {
	clients := 100_000
	if raceEnabled {
		clients /= 20
	}
	for name, steps := range map[string][]Step{"session": insertOnly, "timeout": insertAs(Insert{Timeout: 2 << 40})} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, steps)
			octets := s.chain.table.Stats(s.now).Bytes
			for i := range clients {
				s.choose = members[i%3].ID
				first := s.send(client{addr: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)}, answer{})
				s.choose = members[(i+1)%3].ID
				s.expect("with the cookie", s.send(client{cookie: first.issued()}, answer{}), members[i%3].ID, Bound)
				if t.Failed() {
					return
				}
			}
			if st := s.chain.table.Stats(s.now); s.chain.table.Len() != 0 || st.Bytes != octets {
				t.Errorf("%d bindings, %d octets; want none, %d", s.chain.table.Len(), st.Bytes, octets)
			}
		})
	}
}
