package http1

import (
	"strings"
	"testing"

	"casbah/engine"
	"casbah/route"
)

// A stream of HTTP/2 is not offered logins that belong to a connection: what is
// left of the challenges stays as it was, and if nothing is, casbah answers.
func TestStreamIsNotOfferedLoginsOfConnections(t *testing.T) {
	const status, rest = "HTTP/1.1 401 Unauthorized\r\n", "Content-Length: 0\r\n"
	for _, tt := range []struct{ name, in, wants string }{
		{"none", rest, rest},
		{"basic", "WWW-Authenticate: Basic realm=\"a, b\"\r\n" + rest, "WWW-Authenticate: Basic realm=\"a, b\"\r\n" + rest},
		{"lines", "WWW-Authenticate: Negotiate\r\nwww-authenticate: NTLM\r\nWWW-Authenticate: Basic realm=x\r\n" + rest, "WWW-Authenticate: Basic realm=x\r\n" + rest},
		{"list", "WWW-Authenticate: Negotiate, NTLM, Basic realm=x, charset=\"UTF-8\", Bearer\r\n" + rest, rest + "WWW-Authenticate: Basic realm=x, charset=\"UTF-8\", Bearer\r\n"},
		{"list-ends", "WWW-Authenticate: Basic realm=x, NTLM\r\n" + rest, rest + "WWW-Authenticate: Basic realm=x\r\n"},
		{"token", "WWW-Authenticate: Negotiate oRQ=, Bearer\r\n" + rest, rest + "WWW-Authenticate: Bearer\r\n"},
		{"parameter", "WWW-Authenticate: Digest realm=x, NTLM=y\r\nWWW-Authenticate: Basic\r\n" + rest, "WWW-Authenticate: Basic\r\n" + rest + "WWW-Authenticate: Digest realm=x, NTLM=y\r\n"},
		{"ntlm-alone", "WWW-Authenticate: NTLM\r\n" + rest, ""},
		{"negotiate-alone", "WWW-Authenticate: Negotiate, Kerberos\r\nWWW-Authenticate: Nego2\r\n" + rest, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			s.conn.Stream = true
			got, f := answered(t, s, get, status+tt.in+"\r\n")
			if tt.wants != "" {
				want(t, "client got", got, status+tt.wants+"\r\n")
				return
			}
			if !strings.HasPrefix(got, "HTTP/1.1 502 This Login Needs HTTP/1.1\r\n") || strings.Contains(got, "WWW-Authenticate") {
				t.Errorf("client got %q", got)
			}
			r := s.record(t)
			if !f.last().closed || f.last().how != engine.Reset || r.Status != 502 || r.End != route.EndRefused || !r.HTTP2 ||
				s.vip.Counters.Refused[route.CauseLogin].Load() != 1 || s.vip.Counters.HTTP2.Requests.Load() != 1 {
				t.Errorf("server closed %v, record %+v", f.last().closed, r)
			}
			s.idle(t)
		})
	}
}

// Behind anything but a 401 the token of Negotiate is no offer: it proves who the
// server is.
func TestStreamIsToldWhoTheServerIs(t *testing.T) {
	const in = "HTTP/1.1 200 OK\r\nWWW-Authenticate: Negotiate oRQ=\r\nContent-Length: 0\r\n\r\n"
	s := newSite(t)
	s.conn.Stream = true
	got, _ := answered(t, s, request("/owa", "Authorization: Negotiate YIIabc="), in)
	want(t, "client got", got, in)
}
