package persistence

import (
	"fmt"
	"testing"
	"time"

	"casbah/balance"
)

// S1 S25.
func TestAddressKeepsItsServer(t *testing.T) {
	s := newSite(t, []Step{{By: SourceIP}})
	s.expect("first request", s.send(client{addr: "192.0.2.7"}, answer{}), cas1, Fresh)
	s.choose = cas2 // the algorithm would send every later request elsewhere
	for range 3 {
		s.expect("later request", s.send(client{addr: "192.0.2.7"}, answer{}), cas1, Bound)
	}
	s.expect("other client", s.send(client{addr: "192.0.2.8"}, answer{}), cas2, Fresh)
}

func TestSourceAddressForms(t *testing.T) {
	tests := []struct {
		name         string
		step         Step
		first, other string
		same         bool
	}{
		{"ipv4-mapped", Step{}, "192.0.2.7", "::ffff:192.0.2.7", true},
		{"ipv4-whole", Step{}, "192.0.2.7", "192.0.2.6", false},
		{"ipv4-prefix-in", Step{Prefix4: 24}, "192.0.2.7", "192.0.2.250", true},
		{"ipv4-prefix-out", Step{Prefix4: 24}, "192.0.2.7", "192.0.3.7", false},
		{"ipv6-default-in", Step{}, "2001:db8::1", "2001:db8::ffff:1", true},
		{"ipv6-default-out", Step{}, "2001:db8::1", "2001:db8:0:1::1", false},
		{"ipv6-whole", Step{Prefix6: 128}, "2001:db8::1", "2001:db8::2", false},
		{"ipv6-zone", Step{Prefix6: 128}, "fe80::1%eth0", "fe80::1%eth1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.step.By = SourceIP
			s := newSite(t, []Step{tt.step})
			s.send(client{addr: tt.first}, answer{})
			s.choose = cas2
			if got := s.send(client{addr: tt.other}, answer{}).server == cas1; got != tt.same {
				t.Errorf("%s and %s on one server = %v; want %v", tt.first, tt.other, got, tt.same)
			}
		})
	}
}

// S15 S10 S16 S7 S68.
func TestCookieKeepsServerWhenAddressChanges(t *testing.T) {
	for cookie, steps := range map[string][]Step{"UserContext": owaSteps, "msExchEcpCanary": ecpSteps} {
		t.Run(cookie, func(t *testing.T) {
			s := newSite(t, steps)
			s.send(client{addr: "192.0.2.7"}, answer{set: []string{cookie + "=abc; path=/"}})
			s.choose = cas2
			first := s.send(client{addr: "192.0.2.7", cookie: cookie + "=abc"}, answer{})
			s.expect("same address", first, cas1, Bound)
			if first.walk.By != 0 {
				t.Errorf("decided by %s; want source_ip, the first step", s.chain.StepName(first.walk.By))
			}
			moved := s.send(client{addr: "198.51.100.9", cookie: cookie + "=abc"}, answer{})
			s.expect("new address", moved, cas1, Bound)
			if got, want := s.chain.StepName(moved.walk.By), "cookie "+cookie; got != want {
				t.Errorf("decided by %s; want %s", got, want)
			}
			s.expect("new address alone", s.send(client{addr: "198.51.100.9"}, answer{}), cas1, Bound)
		})
	}
}

// S17.
func TestUserKeepsServerWhenAddressAndPasswordChange(t *testing.T) {
	s := newSite(t, easSteps)
	s.send(client{addr: "192.0.2.7", header: basic("alice", "old")}, answer{})
	s.choose = cas2
	v := s.send(client{addr: "198.51.100.9", header: basic("ALICE", "new")}, answer{})
	s.expect("new address and password", v, cas1, Bound)
	if v.walk.By != 1 {
		t.Errorf("decided by step %d; want 1", v.walk.By)
	}
	s.expect("address first", s.send(client{addr: "192.0.2.7"}, answer{}), cas1, Bound)
}

// S19 S4: the client makes OutlookSession, so it binds without any Set-Cookie.
func TestNoneStepInAChain(t *testing.T) {
	s := newSite(t, oaSteps)
	session := `OutlookSession="{F2AB} Outlook=15.0 OS=6.2"`
	s.send(client{addr: "192.0.2.7", cookie: session}, answer{})
	s.choose = cas2
	v := s.send(client{addr: "198.51.100.9", cookie: session}, answer{})
	s.expect("new address", v, cas1, Bound)
	if v.walk.By != 2 || v.walk.Readings[1].Use != Empty {
		t.Errorf("by step %d, none step %q; want 2, %q", v.walk.By, v.walk.Readings[1].Use, Empty)
	}
}

// S21.
func TestChainOfNoneIsPlainBalancing(t *testing.T) {
	for _, steps := range [][]Step{nil, {{By: None}}} {
		s := newSite(t, steps)
		for i := range 4 {
			s.choose = balance.ServerID(i%3 + 1)
			s.expect("request", s.send(client{addr: "192.0.2.7"}, answer{}), s.choose, NoKey)
		}
		if n := s.chain.table.Len(); n != 0 {
			t.Errorf("%d bindings; want 0", n)
		}
	}
}

// S26 S95.
func TestGoneServerIsReplaced(t *testing.T) {
	s := newSite(t, owaSteps)
	alice := client{addr: "192.0.2.7", cookie: "UserContext=abc"}
	s.send(client{addr: alice.addr}, answer{set: []string{"UserContext=abc"}})
	s.gone[cas1], s.choose = true, cas2
	s.expect("server down", s.send(alice, answer{}), cas2, Rebound)
	s.gone[cas1], s.choose = false, cas3
	s.expect("by address", s.send(client{addr: alice.addr}, answer{}), cas2, Bound)
	s.expect("by cookie", s.send(client{addr: "198.51.100.9", cookie: alice.cookie}, answer{}), cas2, Bound)
	s.pass(time.Hour) // what was confirmed stays so
	s.expect("much later", s.send(client{addr: "198.51.100.10", cookie: alice.cookie}, answer{}), cas2, Bound)
}

// S91 S96: the client gets no other server while it presents the cookie.
func TestWithoutFallbackAClientIsHeld(t *testing.T) {
	s := newSite(t, owaSteps, func(c *Config) { c.Fallback = false })
	s.send(client{addr: "192.0.2.7"}, answer{set: []string{"UserContext=abc"}})
	s.gone[cas1], s.choose = true, cas2
	for range 2 {
		v := s.send(client{addr: "192.0.2.7", cookie: "UserContext=abc"}, answer{})
		if !v.walk.Held || v.walk.Server != 0 {
			t.Errorf("held = %v, server %d; want true, 0", v.walk.Held, v.walk.Server)
		}
		s.expect("with the cookie", v, 0, Lost)
	}
	s.expect("without the cookie", s.send(client{addr: "192.0.2.7"}, answer{}), cas2, Rebound)
	// The address serves again, but the session is still on the other server.
	s.expect("with the cookie", s.send(client{addr: "192.0.2.7", cookie: "UserContext=abc"}, answer{}), 0, Lost)
	s.gone[cas1] = false
	s.expect("server back", s.send(client{addr: "192.0.2.7", cookie: "UserContext=abc"}, answer{}), cas1, Conflict)
}

// A client that has a session on a server that is up is not held for another.
func TestHeldOnlyWithoutASession(t *testing.T) {
	s := newSite(t, owaSteps, func(c *Config) { c.Fallback = false })
	s.send(client{}, answer{set: []string{"UserContext=abc"}})
	s.choose = cas2
	inserted := s.send(client{}, answer{}).issued()
	s.choose = cas3
	s.send(client{addr: "192.0.2.7"}, answer{})
	s.gone[cas1] = true
	v := s.send(client{addr: "192.0.2.7", cookie: "UserContext=abc; " + inserted}, answer{})
	s.expect("two sessions", v, cas2, Conflict)
}

// A server that was taken out of the pool holds nobody.
func TestHeldOnlyByMembers(t *testing.T) {
	table := NewTable(TableOptions{})
	shared := func(c *Config) { c.Fallback, c.Table = false, table }
	s := newSite(t, owaSteps, shared)
	s.send(client{}, answer{set: []string{"UserContext=abc"}})
	next := newSite(t, owaSteps, shared, func(c *Config) { c.Members = members[1:] })
	next.gone[cas1], next.choose = true, cas2
	next.expect("after the removal", next.send(client{cookie: "UserContext=abc"}, answer{}), cas2, Rebound)
}

// A dial that fails before the server ever answered is no reason to hold anyone.
func TestUnconfirmedHoldsNobody(t *testing.T) {
	s := newSite(t, easSteps, func(c *Config) { c.Fallback = false })
	s.send(client{header: basic("alice", "x")}, answer{status: "401"})
	s.gone[cas1], s.choose = true, cas2
	s.expect("retry", s.send(client{header: basic("alice", "x")}, answer{}), cas2, Rebound)
}

// S35.
func TestBindingLastsForItsIdleTime(t *testing.T) {
	for _, idle := range []time.Duration{2 * time.Minute, 45 * time.Minute, 2 * time.Hour, 8 * time.Hour} {
		t.Run(idle.String(), func(t *testing.T) {
			s := newSite(t, []Step{{By: SourceIP}}, func(c *Config) { c.Timeout = idle })
			s.send(client{addr: "192.0.2.7"}, answer{})
			s.choose = cas2
			for range 3 { // use refreshes it
				s.pass(idle)
				s.expect("at the limit", s.send(client{addr: "192.0.2.7"}, answer{}), cas1, Bound)
			}
			s.pass(idle + 2*time.Second)
			s.expect("after the limit", s.send(client{addr: "192.0.2.7"}, answer{}), cas2, Fresh)
		})
	}
}

// S70 S72 S50 S74.
func TestStickinessBeginsWithSetCookie(t *testing.T) {
	s := newSite(t, []Step{{By: Cookie, Name: "UserContext"}})
	brought := client{addr: "192.0.2.7", cookie: "UserContext=abc"}
	for i := range 4 {
		s.choose = balance.ServerID(i%3 + 1)
		s.expect("no cookie", s.send(client{addr: "192.0.2.7"}, answer{set: []string{"Other=1"}}), s.choose, NoKey)
		s.expect("a cookie that no server set", s.send(brought, answer{}), s.choose, Fresh)
	}
	s.choose = cas3
	s.expect("set", s.send(client{addr: "192.0.2.7"}, answer{set: []string{"UserContext=abc; path=/; HttpOnly"}}), cas3, NoKey)
	s.choose = cas1
	s.expect("sticks", s.send(brought, answer{}), cas3, Bound)
	s.expect("refuses cookies", s.send(client{addr: "192.0.2.7"}, answer{}), cas1, NoKey)
}

// S78.
func TestServerEndsStickiness(t *testing.T) {
	for name, deletion := range map[string]string{
		"expires": "UserContext=; expires=Thu, 01-Jan-1970 00:00:00 GMT; path=/",
		"max-age": "UserContext=gone; Max-Age=0",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, []Step{{By: Cookie, Name: "UserContext"}})
			s.send(client{}, answer{set: []string{"UserContext=abc"}})
			s.choose = cas2
			s.expect("logoff", s.send(client{cookie: "UserContext=abc"}, answer{set: []string{deletion}}), cas1, Bound)
			s.expect("next request", s.send(client{cookie: "UserContext=abc"}, answer{}), cas2, Fresh)
			if n := s.chain.table.Len(); n != 0 {
				t.Errorf("%d bindings; want 0", n)
			}
		})
	}
}

// A cookie that is deleted and set in one response, as ASP.NET does, stays set.
func TestDeletedAndSetAgain(t *testing.T) {
	s := newSite(t, []Step{{By: Cookie, Name: "UserContext"}})
	s.send(client{}, answer{set: []string{"UserContext=old"}})
	s.choose = cas2
	s.send(client{cookie: "UserContext=old"}, answer{set: []string{"UserContext=; Max-Age=0", "UserContext=new"}})
	s.expect("new value", s.send(client{cookie: "UserContext=new"}, answer{}), cas1, Bound)
	s.expect("old value", s.send(client{cookie: "UserContext=old"}, answer{}), cas2, Fresh)
}

// S71 S79.
func TestAnyCookie(t *testing.T) {
	s := newSite(t, []Step{{By: Cookie, Name: "*"}})
	s.send(client{}, answer{set: []string{"A=1", "B=2"}})
	s.choose = cas2
	s.expect("both", s.send(client{cookie: "x=y; A=1; B=2"}, answer{set: []string{"A=; Max-Age=0"}}), cas1, Bound)
	s.expect("the other one", s.send(client{cookie: "A=1; B=2"}, answer{set: []string{"B=; Max-Age=0"}}), cas1, Bound)
	s.expect("none left", s.send(client{cookie: "A=1; B=2"}, answer{}), cas2, Fresh)
	s.expect("value under another name", s.send(client{cookie: "B=1"}, answer{}), cas2, Fresh)
}

func TestConflict(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict=%v", strict), func(t *testing.T) {
			s := newSite(t, owaSteps[:2], func(c *Config) { c.Strict = strict })
			s.send(client{addr: "192.0.2.1"}, answer{set: []string{"UserContext=alice"}})
			s.choose = cas2
			s.send(client{addr: "192.0.2.2"}, answer{set: []string{"UserContext=bob"}})
			server, why := cas1, Conflict
			if strict {
				server, why = cas2, Strict
			}
			v := s.send(client{addr: "192.0.2.2", cookie: "UserContext=alice"}, answer{})
			s.expect("alice behind bob's address", v, server, why)
			s.expect("the address", s.send(client{addr: "192.0.2.2"}, answer{}), cas2, Bound)
			s.expect("alice alone", s.send(client{cookie: "UserContext=alice"}, answer{}), cas1, Bound)
		})
	}
}

func TestUnconfirmedIdentityDoesNotOverrule(t *testing.T) {
	s := newSite(t, easSteps)
	s.send(client{addr: "192.0.2.1", header: basic("mallory", "x")}, answer{status: "401"})
	s.choose = cas2
	s.send(client{addr: "192.0.2.2"}, answer{})
	s.expect("unconfirmed", s.send(client{addr: "192.0.2.2", header: basic("mallory", "x")}, answer{status: "401"}), cas2, Bound)
}

// A binding is made on any status; a success makes it last.
func TestConfirmation(t *testing.T) {
	alice := client{header: basic("alice", "x")}
	for status, want := range map[string]balance.ServerID{"401": cas2, "302": cas2, "500": cas2, "200": cas1, "207": cas1} {
		t.Run(status, func(t *testing.T) {
			s := newSite(t, easSteps)
			s.send(alice, answer{status: status})
			s.choose = cas2
			s.expect("soon after", s.send(alice, answer{status: status}), cas1, Bound)
			s.pass((unconfirmedLife + 2) * time.Second)
			if got := s.send(alice, answer{}).server; got != want {
				t.Errorf("a minute after %s: server %d; want %d", status, got, want)
			}
		})
	}
}

// A page that is for anybody confirms nobody, however it is asked for: names that
// a client has made up stay within the share of the unconfirmed.
func TestPagesForAnybodyConfirmNobody(t *testing.T) {
	for path, confirms := range map[string]bool{
		"/mapi/healthcheck.htm": false, "/MAPI/HealthCheck.HTM": false, "/mapi/%68ealthcheck.htm?MailboxId=x": false,
		"/mapi/%68%65%61%6C%74%68%63%68%65%63%6b%2e%68%74%6d": false, "/healthcheck.htm": false,
		"/mapi/": true, "/mapi/emsmdb/?MailboxId=healthcheck.htm": true, "/mapi/healthcheck.htm/x": true, "/xhealthcheck.htm": true,
	} {
		s := newSite(t, []Step{{By: Mailbox}})
		for i := range 20 {
			s.send(client{header: fmt.Sprintf("X-AnchorMailbox: made-up-%d@example.org", i), path: path}, answer{})
		}
		if st := s.chain.table.Stats(s.now); st.Bindings != 20 || (st.Unconfirmed == 0) != confirms {
			t.Errorf("%s: %d of %d bindings unconfirmed; want that it confirms: %v", path, st.Unconfirmed, st.Bindings, confirms)
		}
	}
}

// A Ping of 59 minutes and a login of which the answer takes long keep their bindings.
func TestBindingInUseDoesNotExpire(t *testing.T) {
	s := newSite(t, easSteps, func(c *Config) { c.Timeout = 5 * time.Minute })
	c := client{addr: "192.0.2.7", header: basic("alice", "x")}
	var w Walk
	s.chain.Walk(s.now, c.request(t), s, &w)
	s.chain.Bind(s.now, &w, cas1)
	for range 59 {
		s.pass(time.Minute + time.Second) // a driver may come a little late
		s.chain.Touch(s.now, &w)
	}
	s.chain.Learn(s.now, &w, cas1, answer{}.response(t), nil)
	s.choose = cas2
	s.pass(4 * time.Minute)
	s.expect("user", s.send(client{header: basic("alice", "x")}, answer{}), cas1, Bound)
	s.expect("address", s.send(client{addr: "192.0.2.7"}, answer{}), cas1, Bound)
}

func TestSetCookieMovesABinding(t *testing.T) {
	s := newSite(t, []Step{{By: Cookie, Name: "UserContext"}})
	s.send(client{}, answer{set: []string{"UserContext=abc"}})
	s.choose = cas2
	s.send(client{}, answer{set: []string{"UserContext=abc"}})
	s.expect("moved", s.send(client{cookie: "UserContext=abc"}, answer{}), cas2, Bound)
}

// OWA and ECP share a group, and so a login.
func TestGroupHonoursOtherCookies(t *testing.T) {
	table := NewTable(TableOptions{})
	group := func(c *Config) { c.Scope, c.Table = "outlook-web", table }
	owa := newSite(t, []Step{{By: Cookie, Name: "UserContext", Also: []string{"msExchEcpCanary"}}}, group)
	ecp := newSite(t, []Step{{By: Cookie, Name: "msExchEcpCanary", Also: []string{"UserContext"}}}, group)
	owa.send(client{}, answer{set: []string{"UserContext=abc"}})
	ecp.choose = cas2
	v := ecp.send(client{cookie: "UserContext=abc"}, answer{set: []string{"msExchEcpCanary=xyz"}})
	ecp.expect("options page", v, cas1, Bound)
	owa.choose = cas3
	owa.expect("back to mail", owa.send(client{cookie: "msExchEcpCanary=xyz"}, answer{}), cas1, Bound)
	other := newSite(t, []Step{{By: Cookie, Name: "UserContext"}}, func(c *Config) { c.Table = table })
	other.choose = cas3
	other.expect("another scope", other.send(client{cookie: "UserContext=abc"}, answer{}), cas3, Fresh)
}

func TestDrainingServerKeepsItsClients(t *testing.T) {
	s := newSite(t, owaSteps)
	s.send(client{addr: "192.0.2.7"}, answer{set: []string{"UserContext=abc"}})
	s.drain[cas1], s.choose = true, cas2
	s.expect("by address", s.send(client{addr: "192.0.2.7"}, answer{}), cas1, Bound)
	s.expect("by cookie", s.send(client{cookie: "UserContext=abc"}, answer{}), cas1, Bound)
}

func TestRelayedConnectionHasNoHead(t *testing.T) {
	s := newSite(t, append(owaSteps[:2:2], Step{By: Header, Name: "X-User"}))
	var w Walk
	r := client{addr: "192.0.2.7"}.request(t)
	r.Head = nil
	s.chain.Walk(s.now, r, s, &w)
	if w.N != 3 || w.Why != Fresh || w.Readings[1].Use != Empty || w.Readings[2].Use != Empty {
		t.Errorf("walk = %+v; want an unbound address and two empty readings", w)
	}
}

// Every step leaves a reading, however many cookies a request brings.
func TestReadingsOfManyCookies(t *testing.T) {
	s := newSite(t, []Step{{By: Cookie, Name: "*"}, {By: SourceIP}, {By: None}})
	var set []string
	cookies := ""
	for i := range 40 {
		set = append(set, fmt.Sprintf("c%d=%d", i, i))
		cookies += fmt.Sprintf("c%d=%d; ", i, i)
	}
	s.send(client{}, answer{set: set})
	v := s.send(client{addr: "192.0.2.7", cookie: cookies[:len(cookies)-2]}, answer{})
	if v.walk.N != MaxReadings {
		t.Errorf("%d readings; want %d", v.walk.N, MaxReadings)
	}
	for i, step := range []uint8{1, 2} {
		if got := v.walk.Readings[MaxReadings-2+i].Step; got != step {
			t.Errorf("reading %d is of step %d; want %d", MaxReadings-2+i, got, step)
		}
	}
}

func TestNewChainRefuses(t *testing.T) {
	table := NewTable(TableOptions{})
	ok := Config{Table: table, Timeout: time.Hour}
	tests := []struct {
		name string
		step Step
		cfg  Config
	}{
		{"cookie-without-name", Step{By: Cookie}, ok},
		{"header-without-name", Step{By: Header}, ok},
		{"any-cookie-of-client", Step{By: Cookie, Name: "*", Origin: FromClient}, ok},
		{"prefix4", Step{By: SourceIP, Prefix4: 33}, ok},
		{"prefix6", Step{By: SourceIP, Prefix6: 129}, ok},
		{"no-table", Step{By: SourceIP}, Config{Timeout: time.Hour}},
		{"no-timeout", Step{By: SourceIP}, Config{Table: table}},
		{"no-sealer", Step{By: InsertCookie}, ok},
		{"unknown-method", Step{By: Method(99)}, ok},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Steps = []Step{tt.step}
			if _, err := NewChain(tt.cfg); err == nil {
				t.Error("NewChain accepts it")
			}
		})
	}
	ok.Steps = make([]Step, MaxSteps)
	if _, err := NewChain(ok); err != nil {
		t.Errorf("%d steps: %v", MaxSteps, err)
	}
	ok.Steps = make([]Step, MaxSteps+1)
	if _, err := NewChain(ok); err == nil {
		t.Errorf("NewChain accepts %d steps", MaxSteps+1)
	}
}

func TestParseMethod(t *testing.T) {
	for _, m := range []Method{None, SourceIP, Cookie, Header, InsertCookie} {
		if got, ok := ParseMethod(m.String()); got != m || !ok {
			t.Errorf("ParseMethod(%q) = %v, %v; want %v", m.String(), got, ok, m)
		}
	}
	if _, ok := ParseMethod("cookies"); ok {
		t.Error(`ParseMethod("cookies") is a method`)
	}
}
