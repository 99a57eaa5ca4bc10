package persistence

import (
	"strings"
	"testing"

	"casbah/balance"
)

// withOwnIDs gives the servers of the test's pool IDs of their own.
func withOwnIDs(ids ...string) func(*Config) {
	return func(c *Config) {
		c.Members = append([]Member(nil), c.Members...)
		for i, id := range ids {
			c.Members[i].OwnID = id
		}
	}
}

func TestCustomServerID(t *testing.T) {
	tests := []struct {
		name, target, line string
		in                 Place
		server             balance.ServerID
		use                Use
	}{
		{"query", "/?node=one", "", InQuery, cas1, Decided},
		{"query-later", "/?a=b;node=two&node=one", "", InQuery, cas2, Decided},
		{"query-first-of-pool", "/?node=x&node=two", "", InQuery, cas2, Decided},
		{"query-fourth", "/?node=x&node=&node=y&node=two", "", InQuery, cas2, Decided},
		{"query-fifth", "/?node=x&node=&node=y&node=z&node=two", "", InQuery, 0, Foreign},
		{"query-case", "/?node=One", "", InQuery, 0, Foreign},
		{"query-prefix", "/?node=one1", "", InQuery, 0, Foreign},
		{"query-empty", "/?node=", "", InQuery, 0, Foreign},
		{"query-bare", "/?node", "", InQuery, 0, Absent},
		{"query-other-name", "/?Node=one&anode=one", "", InQuery, 0, Absent},
		{"query-not-header", "/", "node: one", InQuery, 0, Absent},
		{"long", "/?node=" + strings.Repeat("a", 70000), "", InQuery, 0, Foreign},
		{"longestID", "/?node=" + longestID, "", InQuery, cas3, Decided},
		{"header", "/?node=one", "NoDe: two", InHeader, cas2, Decided},
		{"header-twice", "/", "node: x\r\nNODE: two", InHeader, cas2, Decided},
		{"header-none", "/", "node2: two", InHeader, 0, Absent},
		{"cookie", "/?node=one", "Cookie: a=b; node=two", InCookie, cas2, Decided},
		{"cookie-second-line", "/", "Cookie: node=x\r\nCookie: node=two", InCookie, cas2, Decided},
		{"cookie-case", "/", "Cookie: Node=two", InCookie, 0, Absent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := "node"
			if tt.in == InHeader {
				name = "Node"
			}
			s := newSite(t, []Step{{By: CustomServerID, Name: name, In: tt.in}}, withOwnIDs("one", "two", longestID), withoutTable)
			var lines []string
			if tt.line != "" {
				lines = []string{tt.line}
			}
			var w Walk
			s.chain.Walk(s.now, asking(t, "", tt.target, lines...), s, &w)
			if w.Server != tt.server || w.N != 1 || w.Readings[0].Use != tt.use {
				t.Errorf("server %d of %d readings, %q; want %d of 1, %q", w.Server, w.N, w.Readings[0].Use, tt.server, tt.use)
			}
		})
	}
}

var longestID = strings.Repeat("n", maxOwnID)

func TestCustomServerIDRefused(t *testing.T) {
	for name, option := range map[string]func(*Config){
		"no-id":    func(*Config) {},
		"twice":    withOwnIDs("one", "two", "one"),
		"too-long": withOwnIDs(longestID + "n"),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Members: members, Steps: []Step{{By: CustomServerID, Name: "node"}}}
			option(&cfg)
			if _, err := NewChain(cfg); err == nil || !strings.Contains(err.Error(), "server_id: ") {
				t.Errorf("NewChain() = %v; want an error that names the step", err)
			}
		})
	}
}

// Reading who the server is costs no memory, and a chain of both steps no table.
func TestServerIDsDoNotAllocate(t *testing.T) {
	steps := []Step{
		{By: URLServerID, Name: "sid="},
		{By: CustomServerID, Name: "node"},
		{By: CustomServerID, Name: "Node", In: InHeader},
		{By: CustomServerID, Name: "node", In: InCookie},
	}
	s := newSite(t, steps, reachedAt("192.0.2.1:80", "192.0.2.2:80"), withOwnIDs("one", "two"), withoutTable)
	r := asking(t, "", "/?a=b&sid=x;sid=c00002020050&node=y&node=two", "Node: two", "Cookie: a=b; node=two")
	var w Walk
	n := testing.AllocsPerRun(500, func() {
		s.chain.Walk(s.now, r, s, &w)
		s.chain.Bind(s.now, &w, w.Server)
		s.chain.Touch(s.now, &w)
	})
	if n != 0 || w.Server != cas2 || w.Readings[3].Use != Agreed {
		t.Errorf("%v allocations, server %d, the cookie %q; want 0, %d, agrees", n, w.Server, w.Readings[3].Use, cas2)
	}
}
