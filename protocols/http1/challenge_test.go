package http1

import (
	"testing"

	"casbah/route"
)

// The server of an open challenge is answered before hosts, redirects and profiles,
// on any connection; everybody else notices nothing.
func TestChallengeIsAnsweredFirst(t *testing.T) {
	const path = "/.well-known/acme-challenge/"
	s := plainSite(t, 443)
	vip := s.vip
	vip.Hosts, vip.Challenges = []string{"mail.example.org"}, new(route.Challenges)
	vip.Challenges.Answer("token-1", "token-1.thumb")
	vip.Challenges.Answer("token-2", "token-2.thumb")
	f := s.open(t)
	ask := func(head, answer string) {
		t.Helper()
		f.fromClient(head + "\r\n\r\n")
		want(t, "client got", f.client().take(), answer)
	}
	const proof = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 13\r\n\r\n"
	ask("GET "+path+"token-1 HTTP/1.1\r\nHost: other.example.org", proof+"token-1.thumb")
	ask("GET "+path+"token-2 HTTP/1.1\r\nHost: mail.example.org\r\nAccept: text/html", proof+"token-2.thumb")
	ask("HEAD "+path+"token-1 HTTP/1.1\r\nHost: mail.example.org", proof)
	if r := s.record(t); r.Profile != "" || r.Server != "" || r.Status != 200 {
		t.Errorf("record = %s, %q, %d; want no profile, no server, 200", r.Profile, r.Server, r.Status)
	}
	const none = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
	ask("GET "+path+"token-3 HTTP/1.1\r\nHost: mail.example.org", none)
	ask("GET "+path+" HTTP/1.1\r\nHost: mail.example.org", none)
	ask("POST "+path+"token-1 HTTP/1.1\r\nHost: mail.example.org\r\nContent-Length: 0", none)
	ask("GET /ews HTTP/1.1\r\nHost: mail.example.org", "HTTP/1.1 302 Found\r\nLocation: https://mail.example.org/ews\r\nContent-Length: 0\r\n\r\n")
	vip.Challenges.Clear()
	ask("GET "+path+"token-1 HTTP/1.1\r\nHost: mail.example.org", none)
	if len(f.log) > 0 {
		t.Error("a server was dialled")
	}
	if n := testing.AllocsPerRun(100, func() { vip.Challenges.Find([]byte("/ews/exchange.asmx")) }); n > 0 {
		t.Errorf("%v allocations for a client's path; want none", n)
	}
}
