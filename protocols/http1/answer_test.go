package http1

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/route"
)

// refused checks that casbah answered by itself, forwarded nothing and counted it.
func refused(t *testing.T, s *site, f *fake, status int, cause route.Cause) {
	t.Helper()
	got := string(f.client().sent)
	if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", status)) {
		t.Errorf("client got %q, want status %d", got, status)
	}
	for _, l := range f.log {
		if !l.closed && !l.gone {
			t.Errorf("server got %q", l.sent)
		}
	}
	if n := s.vip.Counters.Refused[cause].Load(); n != 1 {
		t.Errorf("refused for %v: %d, want 1", cause, n)
	}
	if r := s.record(t); r.Status != status {
		t.Errorf("record: status %d, want %d", r.Status, status)
	}
	s.idle(t)
}

func TestOwnAnswers(t *testing.T) {
	const host = "Host: mail.example.org\r\n"
	tests := []struct {
		name, in string
		status   int
		cause    route.Cause
		stays    bool
	}{
		{"not-found", "GET /elsewhere HTTP/1.1\r\n" + host + "\r\n", 404, route.CauseProfile, true},
		{"not-found-with-body", "POST /elsewhere HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", 404, route.CauseProfile, false},
		{"not-found-old", "GET /elsewhere HTTP/1.0\r\n\r\n", 404, route.CauseProfile, false},
		{"not-found-old-keep-alive", "GET /elsewhere HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 404, route.CauseProfile, false},
		{"not-found-close", "GET /elsewhere HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 404, route.CauseProfile, false},
		{"options-star", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 404, route.CauseProfile, true},
		{"boundary", "GET /owaspy HTTP/1.1\r\n" + host + "\r\n", 404, route.CauseProfile, true},
		{"method", "DELETE /ews/ HTTP/1.1\r\n" + host + "\r\n", 405, route.CauseMethod, true},
		{"rpc-method-elsewhere", "RPC_IN_DATA /owa/ HTTP/1.1\r\n" + host + "\r\n", 405, route.CauseMethod, true},
		{"connect", "CONNECT /owa HTTP/1.1\r\n" + host + "\r\n", 405, route.CauseMethod, true},
		{"connect-authority", "CONNECT mail.example.org:443 HTTP/1.1\r\n" + host + "\r\n", 400, route.CauseHead, false},
		{"root-post", "POST / HTTP/1.1\r\n" + host + "\r\n", 404, route.CauseProfile, true},
		{"version", "GET /owa HTTP/2.0\r\n" + host + "\r\n", 505, route.CauseHead, false},
		{"long-head", "GET /owa HTTP/1.1\r\n" + host + "A: " + strings.Repeat("b", 16<<10) + "\r\n\r\n", 431, route.CauseHead, false},
		{"many-fields", "GET /owa HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 256) + "\r\n", 431, route.CauseHead, false},
		{"bare-lf", "GET /owa HTTP/1.1\n", 400, route.CauseHead, false},
		{"two-hosts", "GET /owa HTTP/1.1\r\n" + host + host + "\r\n", 400, route.CauseHead, false},
		{"dots", "GET /owa/../ews HTTP/1.1\r\n" + host + "\r\n", 400, route.CausePath, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			f.fromClient(tt.in)
			refused(t, s, f, tt.status, tt.cause)
			got := string(f.client().sent)
			if f.client().closed == tt.stays {
				t.Errorf("closed: %v, want %v", f.client().closed, !tt.stays)
			}
			if strings.Contains(got, "\r\nConnection: close\r\n") == tt.stays {
				t.Errorf("client got %q", got)
			}
			if r := s.record(t); r.End != route.EndRefused {
				t.Errorf("record ends %v, want refused", r.End)
			}
		})
	}
}

func TestAllowListsTheMethods(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient("DELETE /ews/ HTTP/1.1\r\nHost: a\r\n\r\n")
	want(t, "client got", f.client().take(), "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, POST\r\nContent-Length: 0\r\n\r\n")
}

func TestAnswersForBrowsers(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient("GET /x HTTP/1.1\r\nHost: a\r\nAccept: text/html,*/*;q=0.1\r\n\r\n")
	const page = "<!doctype html><title>404 Not Found</title><h1>404 Not Found</h1>\n"
	want(t, "client got", f.client().take(), fmt.Sprintf(
		"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s", len(page), page))
	f.fromClient("HEAD /x HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n")
	want(t, "client got", f.client().take(), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
}

func TestRootIsRedirected(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	want(t, "client got", f.client().take(), "HTTP/1.1 302 Found\r\nLocation: /owa/\r\nContent-Length: 0\r\n\r\n")
	f.fromClient("HEAD /?a=b HTTP/1.1\r\nHost: a\r\n\r\n")
	want(t, "client got", f.client().take(), "HTTP/1.1 302 Found\r\nLocation: /owa/\r\nContent-Length: 0\r\n\r\n")
}

func TestOtherHostsAreMisdirected(t *testing.T) {
	s := newSite(t)
	s.vip.Hosts = []string{"mail.example.org"}
	f := s.open(t)
	f.fromClient("GET /owa HTTP/1.1\r\nHost: other.example.org\r\n\r\n")
	refused(t, s, f, 421, route.CauseHost)
}

func TestNoServerUp(t *testing.T) {
	s := newSite(t)
	for _, svc := range s.services {
		svc.SetState(time.Unix(1, 0), balance.Down)
	}
	f := s.open(t)
	f.fromClient(get)
	refused(t, s, f, 503, route.CauseNoServer)
	want(t, "client got", f.client().take(), "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nContent-Length: 0\r\n\r\n")
	if r := s.record(t); r.End != route.EndNoServer || r.Server != "" {
		t.Errorf("record = %v %q, want no_server", r.End, r.Server)
	}
}

func TestRefusedRequestsInRow(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(strings.Repeat("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 3) + get)
	if got := strings.Count(f.client().take(), "HTTP/1.1 404"); got != 3 {
		t.Errorf("%d answers, want 3", got)
	}
	f.reply(ok)
	want(t, "client got", f.client().take(), ok)
}

func TestAnswersThatAreNotTakenStopTheReading(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fullAt = 100
	f.fromClient(strings.Repeat("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 100))
	if got := strings.Count(string(f.client().sent), "HTTP/1.1 404"); got > 3 {
		t.Errorf("%d answers without a reader", got)
	}
	f.end(f.client(), nil)
	f.drain(f.client())
	f.fullAt = 0
	f.drain(f.client())
	if got := strings.Count(string(f.client().sent), "HTTP/1.1 404"); got != 100 {
		t.Errorf("%d answers, want 100", got)
	}
}
