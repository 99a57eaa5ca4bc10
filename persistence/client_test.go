package persistence

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
)

const (
	cas1 balance.ServerID = 1
	cas2 balance.ServerID = 2
	cas3 balance.ServerID = 3
)

var members = []Member{{ID: cas1, Name: "cas1"}, {ID: cas2, Name: "cas2"}, {ID: cas3, Name: "cas3"}}

var testSecret = Secret{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// start is when the tests begin, in Unix nanoseconds: 2026-01-02 03:04:05 UTC.
const start int64 = 1767323045e9

// site is a chain in front of three servers, driven as package route drives it.
type site struct {
	t      *testing.T
	chain  *Chain
	now    int64
	gone   map[balance.ServerID]bool
	drain  map[balance.ServerID]bool
	choose balance.ServerID // what the algorithm would choose
}

// newSite returns a site with the steps, changed by the options.
func newSite(t *testing.T, steps []Step, options ...func(*Config)) *site {
	t.Helper()
	return &site{
		t: t, chain: newTestChain(t, steps, options...), now: start, choose: cas1,
		gone: map[balance.ServerID]bool{}, drain: map[balance.ServerID]bool{},
	}
}

func newTestChain(tb testing.TB, steps []Step, options ...func(*Config)) *Chain {
	tb.Helper()
	sealer, err := NewSealer([]byte("open sesame"))
	if err != nil {
		tb.Fatal(err)
	}
	cfg := Config{
		Scope: "mail/cas/owa", Steps: steps, Table: NewTable(TableOptions{PerCore: 10_000, Cores: 1}),
		Secret: testSecret, Timeout: 8 * time.Hour, Fallback: true, Members: members, Sealer: sealer,
	}
	for _, o := range options {
		o(&cfg)
	}
	cfg.Steps = slices.Clone(cfg.Steps)
	for i := range cfg.Steps {
		if s := &cfg.Steps[i]; s.By == InsertCookie { // each scope has a name of its own
			s.Insert.Name = cmp.Or(s.Insert.Name, fmt.Sprintf("CASBAH_%X", cfg.Scope))
		}
	}
	c, err := NewChain(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func (s *site) Standing(id balance.ServerID) Standing {
	switch {
	case s.gone[id] || id > cas3:
		return Gone
	case s.drain[id]:
		return Draining
	default:
		return Usable
	}
}

func (s *site) pass(d time.Duration) { s.now += int64(d) }

// client is who sends a request.
type client struct {
	addr   string
	cookie string
	header string // one more header line
	path   string // "/owa/" if empty
}

// answer is what the server gives back.
type answer struct {
	status string // "200" if empty
	set    []string
}

// visit is one request and what became of it.
type visit struct {
	walk   Walk
	server balance.ServerID // 0: held
	added  string           // the lines that the chain added to the response
}

// send lets a request of c through the chain to a server, which answers.
func (s *site) send(c client, a answer) *visit {
	s.t.Helper()
	v := &visit{}
	r := c.request(s.t)
	s.chain.Walk(s.now, r, s, &v.walk)
	if v.walk.Held {
		return v
	}
	v.server = v.walk.Server
	if v.server == 0 {
		v.server = s.choose
	}
	s.chain.Bind(s.now, &v.walk, v.server)
	v.added = string(s.chain.Learn(s.now, &v.walk, v.server, a.response(s.t), nil))
	s.chain.Touch(s.now, &v.walk)
	return v
}

func (c client) request(tb testing.TB) *Request {
	tb.Helper()
	head := "GET " + cmp.Or(c.path, "/owa/") + " HTTP/1.1\r\nHost: mail.example.org\r\n"
	if c.cookie != "" {
		head += "Cookie: " + c.cookie + "\r\n"
	}
	if c.header != "" {
		head += c.header + "\r\n"
	}
	r := &Request{Head: &httphead.Request{}}
	if c.addr != "" {
		r.Source = netip.MustParseAddr(c.addr)
	}
	if err := r.Head.Parse([]byte(head + "\r\n")); err != nil {
		tb.Fatal(err)
	}
	return r
}

func (a answer) response(tb testing.TB) *httphead.Response {
	tb.Helper()
	status := a.status
	if status == "" {
		status = "200"
	}
	head := "HTTP/1.1 " + status + " Whatever\r\n"
	for _, s := range a.set {
		head += "Set-Cookie: " + s + "\r\n"
	}
	resp := &httphead.Response{}
	if err := resp.Parse([]byte(head + "\r\n")); err != nil {
		tb.Fatal(err)
	}
	return resp
}

// expect fails the test unless the visit came to server for the reason why.
func (s *site) expect(what string, v *visit, server balance.ServerID, why Why) {
	s.t.Helper()
	if v.server != server || v.walk.Why != why {
		s.t.Errorf("%s: server %d, %v; want %d, %v", what, v.server, v.walk.Why, server, why)
	}
}

// issued returns the Cookie header that answers the Set-Cookie line of v.
func (v *visit) issued() string {
	pair, _, _ := strings.Cut(strings.TrimPrefix(v.added, "Set-Cookie: "), ";")
	return pair
}

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// Chains as they ship.
var (
	owaSteps = []Step{{By: SourceIP}, {By: Cookie, Name: "UserContext"}, {By: InsertCookie}}
	ecpSteps = []Step{{By: SourceIP}, {By: Cookie, Name: "msExchEcpCanary"}, {By: InsertCookie}}
	easSteps = []Step{{By: SourceIP}, {By: Header, Name: "Authorization"}}
	oaSteps  = []Step{{By: SourceIP}, {By: None}, {By: Cookie, Name: "OutlookSession", Origin: FromClient}}
)
