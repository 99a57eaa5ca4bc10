package persistence

import (
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
)

// ruled returns a site whose chain is one rule.
func ruled(t *testing.T, expression string) *site {
	t.Helper()
	return newSite(t, []Step{{By: Rule, Expression: expression}})
}

// ask lets a request through the chain, answered with that status.
func (s *site) ask(r *Request, status string) (Walk, balance.ServerID) {
	s.t.Helper()
	var w Walk
	s.chain.Walk(s.now, r, s, &w)
	server := w.Server
	if server == 0 {
		server = s.choose
	}
	s.chain.Bind(s.now, &w, server)
	s.chain.Learn(s.now, &w, server, answer{status: status}.response(s.t), nil)
	return w, server
}

// S41: what the expression gives is the key, whatever else changes.
func TestRuleKeepsServer(t *testing.T) {
	s := ruled(t, `hasPrefix(path, "/owa/") ? lower(param("user")) : header("X-Session")`)
	if _, server := s.ask(asking(t, "192.0.2.7", "/owa/?user=Alice%40example.org"), "200"); server != cas1 {
		t.Fatalf("first request: server %d; want %d", server, cas1)
	}
	s.choose = cas2
	tests := []struct {
		name, target, line string
		server             balance.ServerID
		use                Use
	}{
		{"same", "/owa/page?b=1&user=ALICE@example.org", "", cas1, Decided},
		{"by-header", "/ews/", "X-Session: alice@example.org", cas1, Decided},
		{"other-value", "/owa/?user=bob", "", cas2, Unbound},
		{"empty", "/owa/?user=", "", cas2, Absent},
		{"too-long", "/owa/?user=" + strings.Repeat("a", 513), "", cas2, Unreadable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lines []string
			if tt.line != "" {
				lines = []string{tt.line}
			}
			w, server := s.ask(asking(t, "198.51.100.9", tt.target, lines...), "401")
			if server != tt.server || w.Readings[0].Use != tt.use {
				t.Errorf("server %d, %q; want %d, %q", server, w.Readings[0].Use, tt.server, tt.use)
			}
		})
	}
}

// What a client says of itself is confirmed by an answer of success, like a header.
func TestRuleIsConfirmedBySuccess(t *testing.T) {
	s := ruled(t, `header("X-Session")`)
	refused, welcome := asking(t, "", "/", "X-Session: a"), asking(t, "", "/", "X-Session: b")
	s.ask(refused, "401")
	s.ask(welcome, "200")
	s.choose = cas2
	s.pass(2 * time.Minute)
	if w, server := s.ask(refused, "200"); server != cas2 || w.Why != Fresh {
		t.Errorf("refused before: server %d, %v; want %d, fresh: it lived a minute", server, w.Why, cas2)
	}
	if w, server := s.ask(welcome, "200"); server != cas1 || w.Why != Bound {
		t.Errorf("welcome before: server %d, %v; want %d, bound", server, w.Why, cas1)
	}
}

// Two rules of one value are two keys, and a rule yields none without a head.
func TestRulesAreApart(t *testing.T) {
	s := newSite(t, []Step{{By: Rule, Expression: `header("A")`}, {By: Rule, Expression: `header("B")`}})
	var w Walk
	s.chain.Walk(s.now, asking(t, "", "/", "A: x", "B: x"), s, &w)
	if w.N != 2 || w.Readings[0].Key == w.Readings[1].Key || w.Readings[0].Key.IsZero() {
		t.Errorf("readings %+v; want two keys", w.Readings[:w.N])
	}
	relayed := asking(t, "192.0.2.7", "/")
	relayed.Head = nil
	s.chain.Walk(s.now, relayed, s, &w)
	if w.N != 2 || w.Readings[0].Use != Empty {
		t.Errorf("relayed: %+v; want no key", w.Readings[:w.N])
	}
}

func TestRuleRefused(t *testing.T) {
	for _, text := range []string{"", "path +", "len(path)", "let a = path; a + a"} {
		cfg := Config{Table: NewTable(TableOptions{PerCore: 16, Cores: 1}), Timeout: time.Minute, Steps: []Step{{By: Rule, Expression: text}}}
		if _, err := NewChain(cfg); err == nil || !strings.Contains(err.Error(), "step 1: rule: ") {
			t.Errorf("NewChain() with rule %q = %v; want an error that names the step", text, err)
		}
	}
}

// FuzzRuleKey checks that every request has one key, whatever is in it, that
// stays as long as what the rule reads stays.
func FuzzRuleKey(f *testing.F) {
	const text = `split(path, "/")[1] + lower(param("user")) + header("X-Session") + (cookie("a") matches "^[0-9]+$" ? cookie("a") : "")`
	table := NewTable(TableOptions{PerCore: 16, Cores: 1})
	chain, err := NewChain(Config{Table: table, Timeout: time.Minute, Steps: []Step{{By: Rule, Expression: text}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("GET /owa/?user=Alice%4 HTTP/1.1\r\nHost: x\r\nX-Session: 1\r\nCookie: a=12\r\n\r\n"))
	f.Add([]byte("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("GET http://x?user=\xff;&user HTTP/1.0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		r := &Request{Head: &httphead.Request{}}
		if r.Head.Parse(head) != nil {
			return
		}
		var w, again Walk
		chain.Walk(start, r, allUsable{}, &w)
		chain.Walk(start, r, allUsable{}, &again)
		rd := &w.Readings[0]
		if w != again || w.N != 1 || rd.Key.IsZero() != (rd.Use == Absent || rd.Use == Unreadable) {
			t.Fatalf("%q leads to %+v, then %+v", head, w, again)
		}
	})
}
