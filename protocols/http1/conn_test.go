package http1

import (
	"strings"
	"testing"

	"casbah/engine"
	"casbah/route"
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

func contains(s, sub string) bool { return strings.Contains(s, sub) }

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(request("/owa/1", "") + request("/ews/2", "") + "\r\n" + request("/nowhere", "") + request("/owa/4", ""))
	want(t, "server got", f.last().take(), forwarded(request("/owa/1", "")))
	f.reply("HTTP/1.1 200 1\r\nContent-Length: 0\r\n\r\n")
	want(t, "server got", f.last().take(), forwarded(request("/ews/2", "")))
	f.reply("HTTP/1.1 200 2\r\nContent-Length: 0\r\n\r\n")
	want(t, "server got", f.last().take(), forwarded(request("/owa/4", "")))
	f.reply("HTTP/1.1 200 4\r\nContent-Length: 0\r\n\r\n")
	want(t, "client got", f.client().take(),
		"HTTP/1.1 200 1\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 2\r\nContent-Length: 0\r\n\r\n"+
			"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 4\r\nContent-Length: 0\r\n\r\n")
	s.idle(t)
}

func TestClientIsNotHeldDuringAnExchange(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(get + get)
	if f.client().held {
		t.Error("held: a client that goes away would not be noticed")
	}
	f.end(f.client(), errReset)
	if !f.last().closed {
		t.Error("the server goes on")
	}
}

func TestDrain(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(get)
		f.reply(ok)
		f.client().take()
		f.tick(engine.Drain)
		if !f.client().closed || !f.last().closed || len(f.client().sent) != 0 {
			t.Errorf("client: %+v", f.client())
		}
	})
	t.Run("open", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(get + get)
		f.tick(engine.Drain)
		f.reply(ok)
		want(t, "client got", f.client().take(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		if !f.client().closed || len(s.records) != 1 {
			t.Errorf("closed %v after %d requests", f.client().closed, len(s.records))
		}
	})
	t.Run("head-is-out", func(t *testing.T) {
		f := newSite(t).open(t)
		f.fromClient(get)
		f.reply(ok[:len(ok)-1])
		f.tick(engine.Drain)
		if f.client().closed {
			t.Fatal("closed before the end")
		}
		f.reply(ok[len(ok)-1:])
		if !f.client().closed {
			t.Error("not closed")
		}
	})
}

func TestKill(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(request("/ews", "Authorization: NTLM TlRM"))
	f.reply(ok)
	f.fromClient(get)
	f.tick(engine.Kill)
	for _, l := range append(f.log, f.client()) {
		if !l.closed || l.how != engine.Reset {
			t.Errorf("leg %d: %+v", l.id, l)
		}
	}
	if r := s.record(t); r.End != route.EndKill || r.Status != 0 {
		t.Errorf("record: %v %d", r.End, r.Status)
	}
	s.idle(t)
}

func TestOneSnapshotForEachRequest(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(get)
	next := newSite(t)
	next.vip.Name = "next"
	s.cur.Store(next.vip)
	f.reply(ok)
	if r := s.record(t); r.VIP != "mail" {
		t.Errorf("the open request moved to %q", r.VIP)
	}
	f.fromClient(get)
	f.reply(ok)
	if r := next.record(t); r.VIP != "next" {
		t.Errorf("the next request stayed in %q", r.VIP)
	}
}

func TestShorterHeadLimitAfterReload(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient("GET /owa HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("b", 4000))
	next := newSite(t)
	next.vip.HeadBytes = 1000
	s.cur.Store(next.vip)
	f.fromClient("\r\n\r\n")
	refused(t, next, f, 431, route.CauseHead)
}
