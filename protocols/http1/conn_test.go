package http1

import (
	"strings"
	"testing"
)

// added is what casbah adds to every request of the site's client.
const added = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nFront-End-Https: On\r\n"

const (
	get = "GET /owa/ HTTP/1.1\r\nHost: mail.example.org\r\n\r\n"
	ok  = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// forwarded is a head as the server gets it.
func forwarded(head string) string { return strings.TrimSuffix(head, "\r\n") + added + "\r\n" }

func TestRequestAndResponse(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(get)
	want(t, "server got", f.last().take(), forwarded(get))
	f.reply(ok)
	want(t, "client got", f.client().take(), ok)
	if f.client().closed || f.last().closed {
		t.Error("a connection was closed")
	}
	f.fromClient(get)
	f.reply(ok)
	want(t, "client got", f.client().take(), ok)
	if len(f.log) != 2 {
		// Round robin goes to the other server.
		t.Errorf("%d connections, want 2", len(f.log))
	}
	s.idle(t)
}
