package http1

import (
	"net/netip"
	"strings"
	"testing"

	"casbah/route"
)

// sent plays one request and returns what the server got of it.
func sent(t *testing.T, s *site, head string) string {
	t.Helper()
	f := s.open(t)
	f.fromClient(head)
	if len(f.log) == 0 {
		t.Fatalf("not forwarded; client got %q", f.client().sent)
	}
	return f.last().take()
}

// lines makes a GET of the OWA profile with these lines.
func lines(l ...string) string {
	return "GET /owa/ HTTP/1.1\r\nHost: mail.example.org\r\n" + strings.Join(append(l, "", ""), "\r\n")
}

func TestNamesKeepCaseOrderAndSpelling(t *testing.T) {
	head := lines("x-OWA-canary:  a ", "COOKIE: b=c", "Accept:\ttext/html", "X-Empty:", "x-owa-CANARY: d", "User-Agent: MSRPC")
	want(t, "server got", sent(t, newSite(t), head), forwarded(head))
}

func TestHopByHopFields(t *testing.T) {
	tests := []struct {
		name      string
		in, wants []string
	}{
		{"keep-alive-option-stays", []string{"Connection: Keep-Alive"}, []string{"Connection: Keep-Alive"}},
		{"close-goes", []string{"A: b", "Connection: close", "C: d"}, []string{"A: b", "C: d"}},
		{"nominated-goes", []string{"X-Hop: 1", "Connection: keep-alive, x-hop", "X-Hop: 2", "C: d"}, []string{"Connection: keep-alive", "C: d"}},
		{"keep-alive-field", []string{"Keep-Alive: timeout=5", "A: b"}, []string{"A: b"}},
		{"proxy-connection", []string{"Proxy-Connection: keep-alive", "A: b"}, []string{"A: b"}},
		{"h2c", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"}, nil},
		{"te-trailers", []string{"Connection: TE", "TE: trailers"}, []string{"Connection: TE", "TE: trailers"}},
		{"te-other", []string{"Connection: TE, keep-alive", "TE: deflate, trailers"}, []string{"Connection: keep-alive"}},
		{"websocket-alone", []string{"Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket"}, []string{"Connection: Upgrade", "Upgrade: websocket"}},
		{"websocket-first", []string{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: TLS/1.0"}, []string{"Connection: Upgrade", "Upgrade: websocket"}},
		{"other-upgrade", []string{"Connection: Upgrade", "Upgrade: TLS/1.0"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want(t, "server got", sent(t, newSite(t), lines(tt.in...)), forwarded(lines(tt.wants...)))
		})
	}
}

func TestNominationThatStripsIsAnAttack(t *testing.T) {
	for _, name := range []string{
		"Host", "content-length", "Transfer-Encoding", "authorization", "Cookie",
		"X-Forwarded-For", "x-forwarded-host", "X_Forwarded_Proto", "Front-End-Https",
		"a, b, c, d, e, f, g, h, i",
	} {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(lines("Connection: keep-alive, " + name))
		refused(t, s, f, 400, route.CauseHead)
	}
}

func TestForwardingFieldsOfClientsAreDropped(t *testing.T) {
	s := newSite(t)
	head := lines("X-Forwarded-For: 192.0.2.66", "A: b", "x-forwarded-proto: http", "X-FORWARDED-PORT: 1", "Front-End-Https: Off", "X_Forwarded_For: 192.0.2.66")
	want(t, "server got", sent(t, s, head), forwarded(lines("A: b")))
	if got := s.vip.Trusts(s.conn.Remote.Addr()); got {
		t.Error("the client is trusted")
	}
}

func TestTrustedProxyNamesTheClient(t *testing.T) {
	tests := []struct {
		name, listed, source string
	}{
		{"one", "203.0.113.9", "203.0.113.9"},
		{"rightmost-not-trusted", "192.0.2.1, 203.0.113.9, 198.51.100.8", "203.0.113.9"},
		{"port", "203.0.113.9:4711", "203.0.113.9"},
		{"ipv6", "2001:db8::9", "2001:db8::9"},
		{"ipv6-port", "[2001:db8::9]:4711", "2001:db8::9"},
		{"ipv6-brackets", "[2001:db8::9]", "2001:db8::9"},
		{"mapped", "::ffff:203.0.113.9", "203.0.113.9"},
		{"all-trusted", "198.51.100.9, 198.51.100.8", "198.51.100.9"},
		{"garbage", "203.0.113.9, unknown", "198.51.100.7"},
		{"garbage-behind-trusted", "unknown, 198.51.100.8", "198.51.100.8"},
		{"bad-octet", "203.0.113.256", "198.51.100.7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			s.vip.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
			f := s.open(t)
			f.fromClient(lines("X-Forwarded-For: "+tt.listed, "X-Forwarded-Proto: http"))
			want(t, "server got", f.last().take(), lines("X-Forwarded-For: "+tt.listed, "X-Forwarded-Proto: http",
				"X-Forwarded-For: 198.51.100.7", "X-Forwarded-Port: 443", "Front-End-Https: On"))
			f.reply(ok)
			want(t, "source", s.record(t).Source.String(), tt.source)
		})
	}
}

func TestForwardedLinesJoin(t *testing.T) {
	s := newSite(t)
	s.vip.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	f := s.open(t)
	f.fromClient(lines("X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 198.51.100.8"))
	f.reply(ok)
	want(t, "source", s.record(t).Source.String(), "203.0.113.9")
}

func TestPlainVIPAnnouncesHTTP(t *testing.T) {
	s := newSite(t)
	s.conn.Secure = false
	got := sent(t, s, lines())
	if !strings.Contains(got, "\r\nX-Forwarded-Proto: http\r\n") || strings.Contains(got, "Front-End-Https") {
		t.Errorf("server got %q", got)
	}
}

func TestAbsoluteTargetIsForwardedInOriginForm(t *testing.T) {
	tests := []struct{ target, wants string }{
		{"http://mail.example.org/owa/?a=b", "/owa/?a=b"},
		{"HTTPS://MAIL.example.org/owa", "/owa"},
	}
	for _, tt := range tests {
		head := "GET " + tt.target + " HTTP/1.1\r\nHost: mail.example.org\r\nA: b\r\n\r\n"
		wants := "GET " + tt.wants + " HTTP/1.1\r\nHost: mail.example.org\r\nA: b\r\n\r\n"
		want(t, tt.target, sent(t, newSite(t), head), forwarded(wants))
	}
}

func TestOldClientsStayOld(t *testing.T) {
	head := "GET /owa/ HTTP/1.0\r\nHost: mail.example.org\r\nConnection: Keep-Alive\r\n\r\n"
	want(t, "server got", sent(t, newSite(t), head), forwarded(head))
	head = "GET /owa/ HTTP/1.0\r\n\r\n"
	want(t, "server got", sent(t, newSite(t), head), forwarded(head))
}

func TestNoVia(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(get)
	f.reply(ok)
	if got := string(f.last().sent) + string(f.client().sent); strings.Contains(got, "Via") {
		t.Errorf("Via in %q", got)
	}
}
