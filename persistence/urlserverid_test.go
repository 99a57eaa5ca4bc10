package persistence

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
)

// reachedAt makes the members reached at those addresses, in order; empty is a
// name that is not resolved.
func reachedAt(addresses ...string) func(*Config) {
	return func(c *Config) {
		c.Members = nil
		for i, a := range addresses {
			e := new(balance.Endpoint)
			if a != "" {
				e.SetAddr(netip.MustParseAddrPort(a))
			}
			c.Members = append(c.Members, Member{ID: balance.ServerID(i + 1), Name: fmt.Sprintf("cas%d", i+1), Endpoint: e})
		}
	}
}

// withoutTable takes the table and the timeout from a chain.
func withoutTable(c *Config) { c.Table, c.Timeout = nil, 0 }

// asking returns a request for a target with more header lines, from addr.
func asking(tb testing.TB, addr, target string, lines ...string) *Request {
	tb.Helper()
	r := &Request{Head: &httphead.Request{}}
	if addr != "" {
		r.Source = netip.MustParseAddr(addr)
	}
	head := "GET " + target + " HTTP/1.1\r\nHost: mail.example.org\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
	if err := r.Head.Parse([]byte(head)); err != nil {
		tb.Fatalf("%v in %q", err, head)
	}
	return r
}

// S59 S61 S62 S64: the query names the server, and nothing is kept.
func TestURLServerID(t *testing.T) {
	tests := []struct {
		name, query string
		server      balance.ServerID
		use         Use
	}{
		{"ipv4", "sid=c0a864100050", cas1, Decided}, // S62
		{"ipv4-upper", "sid=C0A864100050", cas1, Decided},
		{"other-port", "sid=c0a864100051", cas2, Decided},
		{"ipv6", "sid=20010db800000000000000000000000101bb", cas3, Decided},
		{"ipv4-in-ipv6", "sid=00000000000000000000ffffc0a864100050", cas1, Decided},
		{"behind-others", "a=1&b=2&sid=c0a864100050&c=3", cas1, Decided},
		{"behind-semicolon", "a=1;sid=c0a864100050", cas1, Decided},
		{"not-at-boundary", "oldsid=c0a864100050", 0, Absent},
		{"in-a-value", "a=sid=c0a864100050", 0, Absent},
		{"token-case", "SID=c0a864100050", 0, Absent},
		{"no-query", "", 0, Absent},
		{"empty", "sid=", 0, Unreadable}, // S61
		{"not-hex", "sid=c0a86410005g", 0, Unreadable},
		{"short", "sid=c0a86410005", 0, Unreadable},
		{"long", "sid=c0a8641000500", 0, Unreadable},
		{"ipv6-short", "sid=20010db800000000000000000000000101b", 0, Unreadable},
		{"not-in-pool", "sid=c0a864110050", 0, Foreign},
		{"wrong-port", "sid=c0a8641001bb", 0, Foreign},
		{"unresolved", "sid=000000000000", 0, Foreign},
		{"first-of-pool", "sid=x&sid=c0a864110050&sid=c0a864100051&sid=c0a864100050", cas2, Decided},
		{"fourth", "sid=x&sid=&sid=y&sid=c0a864100051", cas2, Decided},
		{"fifth", "sid=x&sid=&sid=y&sid=z&sid=c0a864100051", 0, Unreadable},
	}
	members := reachedAt("192.168.100.16:80", "192.168.100.16:81", "[2001:db8::1]:443", "")
	s := newSite(t, []Step{{By: URLServerID, Name: "sid="}}, members, withoutTable)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w Walk
			s.chain.Walk(s.now, asking(t, "", "/owa/?"+tt.query), s, &w)
			if w.Server != tt.server || w.N != 1 || w.Readings[0].Use != tt.use {
				t.Errorf("server %d of %d readings, %q; want %d of 1, %q", w.Server, w.N, w.Readings[0].Use, tt.server, tt.use)
			}
			if !w.Readings[0].Key.IsZero() {
				t.Error("the reading has a key; want none, as nothing is bound")
			}
		})
	}
}

// S63: no time ends it, and an address that moves on the way to a name counts at once.
func TestURLServerIDHasNoTimeout(t *testing.T) {
	var members []Member
	s := newSite(t, []Step{{By: SourceIP}, {By: URLServerID, Name: "sid="}}, reachedAt("192.0.2.1:80", "192.0.2.2:80"),
		func(c *Config) { c.Timeout, members = time.Second, c.Members })
	r, other := asking(t, "192.0.2.99", "/?sid=c00002020050"), asking(t, "192.0.2.99", "/?sid=c00002030050")
	visit := func(what string, r *Request, server balance.ServerID, why Why) {
		t.Helper()
		var w Walk
		s.chain.Walk(s.now, r, s, &w)
		if w.Server != server || w.Why != why {
			t.Errorf("%s: server %d, %v; want %d, %v", what, w.Server, w.Why, server, why)
		}
		if w.Server != 0 {
			s.chain.Bind(s.now, &w, w.Server)
		}
	}
	visit("first", r, cas2, Bound)
	s.pass(1000 * 24 * time.Hour)
	visit("years later", r, cas2, Bound)
	members[1].Endpoint.SetAddr(netip.MustParseAddrPort("192.0.2.3:80"))
	s.pass(time.Hour)
	visit("old address", r, 0, Fresh)
	visit("new address", other, cas2, Bound)
}

// A request that names its server is an identity: it overrules an address that
// others share, and a server that is gone is left like a cookie's.
func TestServerNamedByRequest(t *testing.T) {
	steps := []Step{{By: SourceIP}, {By: URLServerID, Name: "sid="}}
	pool := reachedAt("192.0.2.1:80", "192.0.2.2:80")
	s := newSite(t, steps, pool)
	var w Walk
	s.chain.Walk(s.now, asking(t, "192.0.2.99", "/"), s, &w)
	s.chain.Bind(s.now, &w, cas1)
	named := asking(t, "192.0.2.99", "/?sid=c00002020050")
	s.chain.Walk(s.now, named, s, &w)
	if w.Server != cas2 || w.Why != Conflict {
		t.Errorf("named against a shared address: server %d, %v; want %d, conflict", w.Server, w.Why, cas2)
	}
	s.gone[cas2] = true
	s.chain.Walk(s.now, named, s, &w)
	if w.Server != cas1 || w.Held {
		t.Errorf("named, but gone: server %d, held %v; want %d", w.Server, w.Held, cas1)
	}
	held := newSite(t, steps[1:], pool, withoutTable, func(c *Config) { c.Fallback = false })
	held.gone[cas2] = true
	held.chain.Walk(s.now, named, held, &w)
	if w.Server != 0 || !w.Held {
		t.Errorf("without fallback: server %d, held %v; want none, held", w.Server, w.Held)
	}
}

// FuzzURLServerID checks that a query selects a member only by the digits of its
// own address and port, and always the same one.
func FuzzURLServerID(f *testing.F) {
	for _, query := range []string{
		"sid=c0a864100050", "sid=20010db8000000000000000000000001", "a&sid=x;sid=C0A864100050&", "sid=sid=c0a864100050", "sid",
	} {
		f.Add([]byte(query))
	}
	addresses := []string{"192.168.100.16:80", "192.168.100.16:443", "[2001:db8::1]:80"}
	cfg := Config{Steps: []Step{{By: URLServerID, Name: "sid="}}}
	reachedAt(addresses...)(&cfg)
	chain, err := NewChain(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query []byte) {
		r := &Request{Head: &httphead.Request{Query: query}}
		var w, again Walk
		chain.Walk(start, r, allUsable{}, &w)
		chain.Walk(start, r, allUsable{}, &again)
		if w != again || w.N != 1 {
			t.Fatalf("%q leads to %+v, then %+v", query, w, again)
		}
		if w.Server == 0 {
			return
		}
		addr := netip.MustParseAddrPort(addresses[w.Server-1])
		digits := func(ip []byte) string { return fmt.Sprintf("sid=%s%04x", hex.EncodeToString(ip), addr.Port()) }
		low, as16 := strings.ToLower(string(query)), addr.Addr().As16()
		if !strings.Contains(low, digits(addr.Addr().AsSlice())) && !strings.Contains(low, digits(as16[:])) {
			t.Fatalf("%q leads to %s", query, addr)
		}
	})
}

type allUsable struct{}

func (allUsable) Standing(balance.ServerID) Standing { return Usable }
