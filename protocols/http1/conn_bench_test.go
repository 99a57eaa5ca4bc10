package http1

import (
	"net/netip"
	"strings"
	"testing"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
)

// sink is a driver that takes everything and does nothing, without allocating.
type sink struct {
	octets int
	dials  int
	tied   uint64
}

func (s *sink) Send(_ engine.Leg, p []byte) bool                { s.octets += len(p); return false }
func (s *sink) Hold(engine.Leg, bool)                           {}
func (s *sink) Move(engine.Leg, engine.Leg, int64)              {}
func (s *sink) Dial(e *balance.Endpoint, reuse bool) engine.Leg { s.dials++; s.tied = 0; return 1 }
func (s *sink) StartTLS(engine.Leg, bool)                       {}
func (s *sink) Close(engine.Leg, engine.How)                    {}
func (s *sink) Wake(int64)                                      {}
func (s *sink) Waker() balance.Waker                            { return nil }

func (s *sink) Tie(_ engine.Leg, owner uint64) (tied uint64) {
	if tied = s.tied; tied == 0 {
		s.tied = owner
	}
	return tied
}

const browser = "Host: mail.example.org\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"

// kept are the requests of one keep-alive connection, each with its response.
var kept = []struct{ name, req, resp string }{
	{
		"get", "GET /owa/?ae=Folder HTTP/1.1\r\n" + browser + "Cookie: UserContext=0123456789abcdef\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-OWA-Version: 14.3.123.4\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024),
	},
	{
		"post", "POST /owa/ev.owa HTTP/1.1\r\n" + browser + "Cookie: UserContext=0123456789abcdef\r\nContent-Length: 4096\r\n\r\n" + strings.Repeat("x", 4096),
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	},
	{
		"chunked", "POST /owa/ev.owa HTTP/1.1\r\n" + browser + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nSet-Cookie: UserContext=0123456789abcdef; path=/\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	},
	{
		"proxied", "GET /owa/ HTTP/1.1\r\n" + browser + "X-Forwarded-For: 203.0.113.9, 198.51.100.8\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n",
	},
	{
		"ntlm", "POST /ews/exchange.asmx HTTP/1.1\r\n" + browser + "Authorization: NTLM TlRM\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.1 200 OK\r\nPersistent-Auth: true\r\nContent-Length: 0\r\n\r\n",
	},
	{"reuse", "GET /oab/oab.xml HTTP/1.1\r\n" + browser + "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"refused", "GET /nowhere HTTP/1.1\r\n" + browser + "\r\n", ""},
}

// playKept opens a connection and returns a func that plays one more request.
func playKept(tb testing.TB, req, resp string) func() {
	tb.Helper()
	s := newSite(tb,
		persistence.Step{By: persistence.SourceIP},
		persistence.Step{By: persistence.Cookie, Name: "UserContext"},
		persistence.Step{By: persistence.InsertCookie, Insert: persistence.Insert{Name: "CASBAH_TEST"}})
	s.vip.Log = nil
	s.vip.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	for _, name := range []string{"owa", "ews", "oab"} {
		single(s, name)
	}
	core := New(&s.cur, s.conn)
	d := new(sink)
	in, out := []byte(req), []byte(resp)
	now := epoch
	return func() {
		now += 1e6
		dials := d.dials
		if n := core.Bytes(now, engine.Client, in, d); d.dials == dials && n != len(in) {
			tb.Fatalf("took %d of %d octets", n, len(in))
		} else if d.dials != dials {
			core.Dialed(now, 1, false, nil, d)
			core.Bytes(now, engine.Client, in[n:], d)
		}
		if len(out) > 0 {
			core.Bytes(now, 1, out, d)
		}
	}
}

func TestKeptConnectionDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	for _, tt := range kept {
		t.Run(tt.name, func(t *testing.T) {
			run := playKept(t, tt.req, tt.resp)
			run()
			best := 1.0
			for range 5 { // a collection in between empties the pools
				best = min(best, testing.AllocsPerRun(100, run))
			}
			if best != 0 {
				t.Errorf("%v allocations for each request, want 0", best)
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	for _, tt := range kept {
		b.Run("kind="+tt.name, func(b *testing.B) {
			run := playKept(b, tt.req, tt.resp)
			run()
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}
