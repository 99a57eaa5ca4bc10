package route

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"casbah/balance"
	"casbah/internal/httphead"
	"casbah/persistence"
)

// site is a profile, and the lead of its group, over some servers.
type site struct {
	vip           *VIP
	profile, lead *Profile
	servers       balance.Servers
	now           int64
}

// newSite makes a site of n servers that are up.
func newSite(tb testing.TB, algorithm string, n int, change func(*persistence.Config)) *site {
	tb.Helper()
	s := &site{now: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC).UnixNano()}
	cfg := persistence.Config{
		Scope: "s", Table: persistence.NewTable(persistence.TableOptions{PerCore: 1000, Cores: 1}),
		Timeout: time.Hour, Fallback: true,
		Steps: []persistence.Step{
			{By: persistence.SourceIP},
			{By: persistence.Cookie, Name: "session", Origin: persistence.FromClient},
			{By: persistence.Header, Name: "Authorization"},
		},
	}
	for i := range n {
		server := s.servers.Get(fmt.Sprintf("cas%d", i+1))
		cfg.Members = append(cfg.Members, persistence.Member{ID: server.ID, Name: server.Name})
	}
	if change != nil {
		change(&cfg)
	}
	chain, err := persistence.NewChain(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	s.lead, s.profile = s.newProfile(tb, "lead", algorithm, chain, cfg.Members), s.newProfile(tb, "owa", algorithm, chain, cfg.Members)
	s.vip = &VIP{Name: "mail", Counters: new(Counters), Decisions: NewDecisions(), Profiles: []*Profile{s.profile}}
	return s
}

func (s *site) newProfile(tb testing.TB, name, algorithm string, chain *persistence.Chain, members []persistence.Member) *Profile {
	tb.Helper()
	a, err := balance.New(algorithm)
	if err != nil {
		tb.Fatal(err)
	}
	p := &Profile{Name: name, Chain: chain, Algorithm: a, Names: &Names{VIP: "mail", Profile: name, Pool: "cas", Scope: "s", Algorithm: algorithm, All: &s.servers}}
	for i := 0; chain.StepName(i) != ""; i++ {
		p.Names.Chain = append(p.Names.Chain, chain.StepName(i))
	}
	for _, m := range members {
		service := &balance.Service{Server: s.servers.Get(m.Name), Profile: name}
		service.SetState(time.Unix(0, s.now), balance.Up)
		p.Candidates = append(p.Candidates, balance.Candidate{Service: service, Endpoint: &balance.Endpoint{Server: m.ID, Name: m.Name}, Weight: 100})
		p.Names.Servers = append(p.Names.Servers, m.Name)
	}
	return p
}

// set sets the state of a server, for the profile alone.
func (s *site) set(server int, st balance.State) {
	s.profile.Candidates[server].Service.SetState(time.Unix(0, s.now), st)
}

// request is one of a client at the address, with a session cookie and a user,
// unless they are empty.
func request(tb testing.TB, addr, session, user string) *Request {
	tb.Helper()
	head := "GET /owa/?q=secret HTTP/1.1\r\nHost: h\r\n"
	if session != "" {
		head += "Cookie: session=" + session + "\r\n"
	}
	if user != "" {
		head += "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":password")) + "\r\n"
	}
	r := &Request{Head: new(httphead.Request)}
	if err := r.Head.Parse([]byte(head + "\r\n")); err != nil {
		tb.Fatal(err)
	}
	if addr != "" {
		r.Source = netip.MustParseAddr(addr)
	}
	return r
}

// decide takes a decision, notes it and carries it out, with an answer of 200.
func (s *site) decide(r *Request) (d Decision) {
	s.profile.Decide(s.now, r, &d)
	s.vip.Note(s.now, netip.AddrPortFrom(r.Source, 1234), r, &d)
	s.carryOut(&d)
	return d
}

func (s *site) carryOut(d *Decision) {
	if d.Outcome != Chosen {
		return
	}
	d.Commit(s.now)
	d.Answer(s.now, time.Millisecond, &httphead.Response{Status: 200}, nil)
	d.Release(s.now)
}

// newest returns the explanation of the last decision that was kept.
func (s *site) newest(t *testing.T) *Explanation {
	t.Helper()
	for k := range s.vip.Decisions.All() {
		return k.Explain()
	}
	t.Fatal("no decision is kept")
	return nil
}

// Whatever the states, bindings and open requests: an explanation names the
// server that the request then gets, by the same step, for the same reason; and
// nobody's turn moves by it.
func TestExplainIsWhatARequestGets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		algorithm := rapid.SampledFrom([]string{"least_conn", "round_robin", "source_hash", "least_time"}).Draw(rt, "algorithm")
		s := newSite(t, algorithm, rapid.IntRange(1, 4).Draw(rt, "servers"), func(c *persistence.Config) {
			c.Strict, c.Fallback = rapid.Bool().Draw(rt, "strict"), rapid.Bool().Draw(rt, "fallback")
			if rapid.Bool().Draw(rt, "counts clients") {
				c.Crowds, c.SharedAfter, c.SharedNetworks = new(persistence.Crowds), 2, []netip.Prefix{netip.MustParsePrefix("192.0.2.3/32")}
			}
		})
		if rapid.Bool().Draw(rt, "follows") {
			s.profile.Lead = s.lead
		}
		s.profile.PanicBelow = rapid.SampledFrom([]int{0, 50}).Draw(rt, "panic")
		addr := rapid.SampledFrom([]string{"", "192.0.2.1", "192.0.2.2", "192.0.2.3"})
		word := rapid.SampledFrom([]string{"", "a", "b", "c"})
		var open []*Decision
		for range rapid.IntRange(1, 40).Draw(rt, "requests") {
			s.now += int64(rapid.IntRange(0, 100).Draw(rt, "seconds")) * int64(time.Second)
			for _, p := range []*Profile{s.profile, s.lead} {
				i := rapid.IntRange(0, len(p.Candidates)-1).Draw(rt, "server")
				st := balance.State(rapid.IntRange(0, 4).Draw(rt, "state"))
				p.Candidates[i].Service.SetState(time.Unix(0, s.now), st)
			}
			r := request(t, addr.Draw(rt, "addr"), word.Draw(rt, "session"), word.Draw(rt, "user"))
			for range rapid.IntRange(1, 3).Draw(rt, "asked") {
				s.profile.Explain(s.now, r)
			}
			e := s.profile.Explain(s.now, r)
			d := new(Decision)
			s.profile.Decide(s.now, r, d)
			if e.Server != d.Server() || e.Why != d.Why() || e.Step != d.Step() {
				rt.Fatalf("explained as %s by %q, %s; got %s by %q, %s", e.Server, e.Step, e.Why, d.Server(), d.Step(), d.Why())
			}
			checkExplanation(rt, e)
			if d.Outcome != Chosen {
				continue
			}
			d.Commit(s.now)
			d.Answer(s.now, time.Duration(rapid.IntRange(1, 5).Draw(rt, "ms"))*time.Millisecond, &httphead.Response{Status: 200}, nil)
			open = append(open, d)
			if rapid.Bool().Draw(rt, "ends") {
				open[0].Release(s.now)
				open = open[1:]
			}
		}
	})
}

// checkExplanation checks what holds of every explanation.
func checkExplanation(rt *rapid.T, e *Explanation) {
	rt.Helper()
	if e.Text == "" || strings.Contains(e.Text, "another step decided") || strings.Contains(e.Text, LostNothing) {
		rt.Fatalf("%s is explained by %q", e.Why, e.Text)
	}
	if (e.Server == "") != (e.Status != 0) {
		rt.Fatalf("server %q and status %d; want one of them", e.Server, e.Status)
	}
	if rebind := strings.HasPrefix(e.Why, "rebound"); rebind && (e.Loss == "" || e.Why != "rebound_"+e.Loss) {
		rt.Fatalf("a rebind for %q has the word %s", e.Loss, e.Why)
	}
	for _, s := range e.Steps {
		if !slices.Contains(e.Chain, s.Step) || s.Found == "" || (s.Server != "") != (s.Standing != "") {
			rt.Fatalf("step %+v of chain %v", s, e.Chain)
		}
	}
}

// LostNothing is what a sentence says of a loss that there is not.
var LostNothing = NoLoss.is()

// One reason for each rebind, and what the other words come from.
func TestWhy(t *testing.T) {
	first := func(s *site) { s.decide(request(t, "192.0.2.1", "", "")) } // binds the address to cas1
	again := request(t, "192.0.2.1", "", "")
	tests := []struct {
		name   string
		change func(*persistence.Config)
		before func(s *site)
		ask    *Request
		why    string
		text   string // part of the sentence
	}{
		{"fresh", nil, func(*site) {}, again, "fresh", "nothing that the client shows is bound to a server yet: round_robin chooses cas1 of 3 servers, and the client is bound to it"},
		{"bound", nil, first, again, "bound", "step source_ip is bound to cas1"},
		{"no-key", nil, first, request(t, "", "", ""), "no_key", "the client shows nothing that the chain knows it by: round_robin chooses cas2 of 3 servers"},
		{"down", nil, func(s *site) { first(s); s.set(0, balance.Down) }, again, "rebound_down", "step source_ip is bound to cas1, which is down: round_robin chooses cas"},
		{"maintenance", nil, func(s *site) { first(s); s.set(0, balance.Maintenance) }, again, "rebound_maintenance", "which is in maintenance"},
		{"unknown", nil, func(s *site) { first(s); s.set(0, balance.Unknown) }, again, "bound", "step source_ip is bound to cas1"}, // as after a start
		{
			"down-behind-an-address", nil, func(s *site) { first(s); s.decide(request(t, "192.0.2.2", "a", "")); s.set(1, balance.Down) },
			request(t, "192.0.2.1", "a", ""), "rebound_down", "step cookie session is bound to cas2, which is down: step source_ip is bound to cas1 and decides, and the client is bound to it",
		},
		{"left", nil, func(s *site) {
			first(s)
			s.profile.Candidates, s.profile.Names.Servers = s.profile.Candidates[1:], s.profile.Names.Servers[1:]
		}, again, "rebound_left", "step source_ip is bound to cas1, which is not in the pool any more"},
		{"only-one-left", nil, func(s *site) { first(s); s.set(0, balance.Down); s.set(1, balance.Down) }, again, "rebound_down", "cas3 is the only server that takes new clients"},
		{"firm-drain", nil, func(s *site) {
			first(s)
			s.profile.Candidates[0].Service.SetOrder(time.Unix(0, s.now), balance.Order{Kind: balance.OrderFirm})
		}, again, "rebound_drain", "which drains and does not keep this client"},
		{"drain-keeps", nil, func(s *site) { first(s); s.set(0, balance.Drain) }, again, "bound", "step source_ip is bound to cas1"},
		{"nobody", nil, func(s *site) { first(s); s.set(0, balance.Down); s.set(1, balance.Down); s.set(2, balance.Maintenance) }, again, "rebound_down", "no server of pool cas takes requests of profile owa: 503"},
		{
			"conflict", nil, func(s *site) { first(s); s.decide(request(t, "192.0.2.2", "a", "")) }, request(t, "192.0.2.1", "a", ""), "conflict",
			"step cookie session is bound to cas2, and that is a confirmed identity; step source_ip is bound to cas1",
		},
		{
			"strict", func(c *persistence.Config) { c.Strict = true }, func(s *site) { first(s); s.decide(request(t, "192.0.2.2", "a", "")) }, request(t, "192.0.2.1", "a", ""), "strict",
			"step source_ip is bound to cas1 and decides, as strict_order = true says; step cookie session is bound to cas2",
		},
		{
			"held", func(c *persistence.Config) { c.Fallback = false }, func(s *site) { s.decide(request(t, "192.0.2.2", "a", "")); s.set(0, balance.Down) }, request(t, "", "a", ""), "lost",
			"step cookie session is bound to cas1, which is down, and fallback = false keeps the client from every other server: 502",
		},
		{"spread", func(c *persistence.Config) {
			c.Crowds, c.SharedNetworks = new(persistence.Crowds), []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		}, func(*site) {}, request(t, "192.0.2.1", "a", ""), "spread", "the client's address is one of shared_networks, so it does not decide, and nothing else that the client shows is bound to a server yet: round_robin chooses cas1 of 3 servers, and the client is bound to it"},
		{"aside", nil, func(s *site) {
			s.profile.Lead = s.lead
			first(s)
			s.set(0, balance.Down)
		}, again, "aside", "step source_ip is bound to cas1, which serves the group and for profile owa is down: round_robin chooses cas"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, "round_robin", 3, tt.change)
			tt.before(s)
			e := s.profile.Explain(s.now, tt.ask)
			d := s.decide(tt.ask)
			if e.Why != tt.why || d.Why() != tt.why || e.Server != d.Server() || !strings.Contains(e.Text, tt.text) {
				t.Errorf("explained as %s %s, decided as %s %s; want %s\n%s\nwant %s", e.Why, e.Server, d.Why(), d.Server(), tt.why, e.Text, tt.text)
			}
			if tt.why == "bound" || tt.why == "no_key" {
				return // routine: a sample is kept
			}
			kept := s.newest(t)
			if kept.Why != e.Why || kept.Text != e.Text || kept.Server != e.Server || kept.Path != "/owa/" || kept.Method != "GET" {
				t.Errorf("kept as %+v; want what was explained before: %+v", kept, e)
			}
		})
	}
}

// A server that cannot be reached is a reason of its own, and no other server
// may be left.
func TestWhyUnreached(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	r := request(t, "192.0.2.1", "", "")
	s.decide(r)
	var d Decision
	for i, want := range []string{"bound", "rebound_unreached", "rebound_unreached"} {
		s.profile.Decide(s.now, r, &d)
		s.vip.Note(s.now+int64(i), netip.AddrPort{}, r, &d)
		if d.Why() != want {
			t.Errorf("try %d: %s; want %s", i+1, d.Why(), want)
		}
		if d.Outcome == Chosen {
			d.Commit(s.now)
			d.Avoid(s.now)
		}
	}
	e := s.newest(t)
	if e.Status != 502 || !strings.Contains(e.Text, "cas2, which could not be reached: no server of pool cas is left that could be reached") || !e.Servers[0].Tried {
		t.Errorf("explained as %d %s, %+v; want 502 and both tried", e.Status, e.Text, e.Servers)
	}
}

// What a step says: the binding, its age, what is left of it, the hash of the
// key, and nothing that the client sent.
func TestExplainedSteps(t *testing.T) {
	s := newSite(t, "round_robin", 2, nil)
	s.decide(request(t, "192.0.2.1", "moonlight", "alice"))
	s.now += int64(90 * time.Second)
	e := s.profile.Explain(s.now, request(t, "192.0.2.9", "moonlight", "bob"))
	if len(e.Steps) != 3 {
		t.Fatalf("%d steps; want 3: %+v", len(e.Steps), e.Steps)
	}
	addr, cookie, user := e.Steps[0], e.Steps[1], e.Steps[2]
	if addr.Found != "not bound" || len(addr.Key) != keyShown || addr.Server != "" || addr.Age != nil {
		t.Errorf("source_ip: %+v; want a key that is not bound", addr)
	}
	if cookie.Found != "decided" || cookie.Server != "cas1" || !cookie.Confirmed || *cookie.Age != 90 || *cookie.Left != 3600-90 || cookie.Standing != "usable" {
		t.Errorf("cookie: %+v; want decided by a confirmed binding to cas1 of 90s, 3510s left", cookie)
	}
	if user.Found != "not bound" || user.Key == "" {
		t.Errorf("user: %+v; want a key that is not bound", user)
	}
	if text := fmt.Sprintf("%+v", e); strings.Contains(text, "moonlight") || strings.Contains(text, "bob") {
		t.Errorf("an explanation shows what the client sent: %s", text)
	}
}

// docs/OPERATIONS.md explains every name and word of an explanation.
func TestOperationsExplainsExplanations(t *testing.T) {
	doc, err := os.ReadFile("../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Concat(rebounds[:], jsonNames(reflect.TypeFor[Explanation]()), jsonNames(reflect.TypeFor[ExplainedStep]()), jsonNames(reflect.TypeFor[ExplainedServer]()))
	for l := LostDown; l < losses; l++ {
		names = append(names, l.String())
	}
	if !slices.Contains(names, "left_seconds") || !slices.Contains(names, "unreached") {
		t.Fatalf("the names are %v", names)
	}
	for _, name := range names {
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/OPERATIONS.md does not explain %q", name)
		}
	}
}

func jsonNames(of reflect.Type) (names []string) {
	for f := range of.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
