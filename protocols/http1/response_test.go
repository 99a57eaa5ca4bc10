package http1

import (
	"fmt"
	"strings"
	"testing"

	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// answered plays a request and its response and returns what the client got.
func answered(t *testing.T, s *site, req, resp string) (string, *fake) {
	t.Helper()
	f := s.open(t)
	f.fromClient(req)
	f.reply(resp)
	return f.client().take(), f
}

const get10 = "GET /owa/ HTTP/1.0\r\nHost: a\r\n\r\n"

func TestResponsesPassUnchanged(t *testing.T) {
	tests := []struct{ name, in string }{
		{"reason", "HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: 2\r\n\r\nok"},
		{"no-reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"},
		{"no-reason-space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"},
		{"spelling", "HTTP/1.1 200 OK\r\nwww-AUTHENTICATE: Basic\r\nX-OWA-Version:14.3\r\ncontent-length: 0\r\nX-owa-version: \r\n\r\n"},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n"},
		{"no-content", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"not-modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"},
		{"keep-alive-said", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"},
		{"persistent-auth", "HTTP/1.1 200 OK\r\nPersistent-Auth: true\r\nContent-Length: 0\r\n\r\n"},
		{"long", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("0123456789", 10000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			got, f := answered(t, s, get, tt.in)
			want(t, "client got", got, tt.in)
			if f.client().closed || f.last().closed {
				t.Error("a connection was closed")
			}
			if r := s.record(t); r.End != route.EndDone || r.Out != int64(len(tt.in)) {
				t.Errorf("record: %v, out %d; want done, %d", r.End, r.Out, len(tt.in))
			}
			s.idle(t)
		})
	}
}

func TestConnectionFieldsOfResponses(t *testing.T) {
	const status, length = "HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n"
	tests := []struct {
		name, req, in, wants string
		clientCloses         bool
		serverCloses         bool
	}{
		{"server-closes", get, "Connection: close\r\n" + length, length, false, true},
		{"server-closes-behind-others", get, "Connection: X-Forwarded-For, close\r\n" + length, length, false, true},
		{"server-closes-behind-many", get, "Connection: a, b, c, d, e, f, g, h, i, close\r\n" + length, length, false, true},
		{"keep-alive-field", get, "Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n" + length, "Connection: Keep-Alive\r\n" + length, false, false},
		{"server-upgrade", get, "Upgrade: h2\r\nConnection: Upgrade\r\n" + length, length, false, false},
		{"client-closes", request("/owa", "Connection: close"), length, length + "Connection: close\r\n", true, true},
		{"both-close", request("/owa", "Connection: close"), "Connection: close\r\n" + length, "Connection: close\r\n" + length, true, true},
		{"old-client", get10, length, length + "Connection: close\r\n", true, true},
		{"old-keeps", "GET /owa HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", length, length + "Connection: keep-alive\r\n", false, false},
		{"old-keeps-said", "GET /owa HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "connection: Keep-Alive\r\n" + length, "connection: Keep-Alive\r\n" + length, false, false},
		{"old-keeps-server-closes", "GET /owa HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Connection: close\r\n" + length, length + "Connection: keep-alive\r\n", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, f := answered(t, newSite(t), tt.req, status+tt.in+"\r\n")
			want(t, "client got", got, status+tt.wants+"\r\n")
			if says := strings.Contains(tt.req, "Connection: close") || tt.req == get10; says != (f.client().how == engine.Done) {
				t.Errorf("client closed by %v; want Done where it has said that it sends nothing more, %v", f.client().how, says)
			}
			if f.client().closed != tt.clientCloses || f.last().closed != tt.serverCloses {
				t.Errorf("closed: client %v, server %v; want %v, %v",
					f.client().closed, f.last().closed, tt.clientCloses, tt.serverCloses)
			}
		})
	}
	t.Run("old-server", func(t *testing.T) {
		const in = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"
		got, f := answered(t, newSite(t), get, in)
		want(t, "client got", got, in)
		if f.client().closed || !f.last().closed {
			t.Error("want the server's connection closed, and not the client's")
		}
	})
}

func TestResponseToTheEnd(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n"
	t.Run("fin", func(t *testing.T) {
		s := newSite(t)
		got, f := answered(t, s, get, head+"\r\nhello")
		want(t, "client got", got, head+"Connection: close\r\n\r\nhello")
		f.reply(" world")
		f.end(f.last(), nil)
		want(t, "client got", f.client().take(), " world")
		if !f.client().closed || f.client().how != engine.Flush || s.record(t).End != route.EndDone {
			t.Errorf("client: %+v, ends %v", f.client(), s.record(t).End)
		}
		s.idle(t)
	})
	t.Run("reset", func(t *testing.T) {
		s := newSite(t)
		_, f := answered(t, s, get, head+"\r\nhello")
		f.end(f.last(), errReset)
		if !f.client().closed || f.client().how != engine.Reset || s.record(t).End != route.EndServer {
			t.Errorf("a cut response looks complete: %+v, ends %v", f.client(), s.record(t).End)
		}
	})
}

func TestHeadHasNoBody(t *testing.T) {
	s := newSite(t)
	const resp = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
	got, f := answered(t, s, "HEAD /owa/ HTTP/1.1\r\nHost: a\r\n\r\n", resp)
	want(t, "client got", got, resp)
	f.fromClient(get)
	f.reply(ok)
	want(t, "client got", f.client().take(), ok)
}

func TestGarbageFromServers(t *testing.T) {
	const line = "HTTP/1.1 200 OK\r\n"
	tests := []struct{ name, req, in string }{
		{"not-http", get, "SSH-2.0-OpenSSH_9.9\r\n\r\n"},
		{"bare-lf", get, "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
		{"http2", get, "HTTP/2.0 200 OK\r\n\r\n"},
		{"status-words", get, "HTTP/1.1 abc OK\r\n\r\n"},
		{"status-range", get, "HTTP/1.1 600 OK\r\n\r\n"},
		{"fold", get, line + "A: b\r\n c\r\nContent-Length: 0\r\n\r\n"},
		{"both", get, line + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"lengths", get, line + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"},
		{"coding", get, line + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
		{"coding-to-old-client", get10, line + "Transfer-Encoding: chunked\r\n\r\n"},
		{"coding-of-old-server", get, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"unasked-101", get, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"},
		{"long-head", get, line + "A: " + strings.Repeat("b", 16<<10)},
		{"endless-1xx", get, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxInterim+1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			got, f := answered(t, s, tt.req, tt.in)
			if !strings.Contains(got, "HTTP/1.1 502 Bad Gateway\r\n") || strings.Contains(got, "cas1") {
				t.Errorf("client got %q", got)
			}
			if !f.last().closed || f.last().how != engine.Reset {
				t.Errorf("server: %+v", f.last())
			}
			if r := s.record(t); r.Status != 502 || r.End != route.EndServer || s.vip.Counters.Refused[route.CauseGarbage].Load() != 1 {
				t.Errorf("record: %d %v", r.Status, r.End)
			}
			if n := s.profile("owa").Candidates[0].Service.Failures.Load(); n != 1 {
				t.Errorf("%d failures counted, want 1", n)
			}
			s.idle(t)
		})
	}
}

func TestGarbageBehindAResponse(t *testing.T) {
	s := newSite(t)
	got, f := answered(t, s, get, ok+ok)
	want(t, "client got", got, ok)
	if !f.last().closed || f.client().closed {
		t.Error("want the server's connection closed alone")
	}
	f = s.open(t)
	f.fromClient(get)
	f.reply(ok)
	f.client().take()
	f.reply("HTTP/1.1 408 Request Timeout\r\n\r\n")
	want(t, "client got", f.client().take(), "")
	if !f.last().closed {
		t.Error("server not closed")
	}
}

// A server that sends more than was asked for has lost its count, or ours: its
// connection is not parked, though nothing is left on it to show that.
func TestConnectionWithMoreThanWasAskedForIsNotParked(t *testing.T) {
	for _, tt := range []struct{ name, method, in string }{
		{"length", "GET", ok + "HTTP/1.1 200 Yours\r\n"},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n0"},
		{"head", "HEAD", ok},
		{"no-content", "GET", "HTTP/1.1 204 No Content\r\n\r\nok"},
		{"not-modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok"},
	} {
		for _, line := range []string{"", "Connection: close\r\n"} { // with it the connection would be parked at once
			s := newSite(t)
			f := s.open(t)
			f.fromClient(tt.method + " /oab HTTP/1.1\r\nHost: a\r\n" + line + "\r\n")
			f.reply(tt.in)
			if l := f.last(); !l.closed || l.how == engine.Park || f.client().closed != (line != "") {
				t.Errorf("%s, %q: server %s, client %s", tt.name, line, l.fate(), f.client().fate())
			}
			if r := s.record(t); r.End != route.EndDone {
				t.Errorf("%s, %q: ends %v; want done", tt.name, line, r.End)
			}
			s.idle(t)
		}
	}
}

func TestGarbageBehindAnEarlyResponse(t *testing.T) {
	s := newSite(t)
	single(s, "owa")
	f := s.open(t)
	f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
	f.reply(ok + "HTTP/1.1 200 Yours\r\n\r\n")
	f.fromClient("hello" + get)
	want(t, "client got", f.client().take(), ok)
	if !f.log[0].closed || len(f.log) != 2 {
		t.Errorf("the connection serves another request: %+v", f.log[0])
	}
}

func TestBrokenChunkFromServer(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(get)
	f.reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	f.reply("3\nabc")
	if !f.client().closed || !f.last().closed || s.record(t).End != route.EndServer {
		t.Errorf("client %+v ends %v", f.client(), s.record(t).End)
	}
	s.idle(t)
}

func TestInterimResponsesAreRelayed(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	const head = "POST /owa HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	f.fromClient(head)
	want(t, "server got", f.last().take(), forwarded(head))
	const hundred = "HTTP/1.1 100 Continue\r\nX-Any: thing\r\n\r\n"
	f.reply(hundred)
	want(t, "client got", f.client().take(), hundred)
	f.fromClient("hello")
	want(t, "server got", f.last().take(), "hello")
	f.reply("HTTP/1.1 102 Processing\r\n\r\n" + ok)
	want(t, "client got", f.client().take(), "HTTP/1.1 102 Processing\r\n\r\n"+ok)
	if r := s.record(t); r.Status != 200 {
		t.Errorf("status %d, want 200", r.Status)
	}
}

func TestOldClientsGetNoInterimResponse(t *testing.T) {
	got, _ := answered(t, newSite(t), get10, "HTTP/1.1 100 Continue\r\n\r\n"+ok)
	want(t, "client got", got, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
}

func TestFullDuplex(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	const head = "RPC_OUT_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
	f.fromClient(head + "01234")
	f.reply("HTTP/1.1 200 Success\r\nContent-Length: 4\r\n\r\nab")
	want(t, "client got", f.client().take(), "HTTP/1.1 200 Success\r\nContent-Length: 4\r\n\r\nab")
	f.last().take()
	f.fromClient("567")
	want(t, "server got", f.last().take(), "567")
	f.reply("cd")
	if len(s.records) != 0 {
		t.Fatal("over before the request's end")
	}
	f.fromClient("89" + request("/nowhere", ""))
	if r := s.records[0]; r.End != route.EndDone || r.Status != 200 {
		t.Errorf("record %v %d", r.End, r.Status)
	}
	want(t, "server got", f.last().take(), "89")
	want(t, "client got", f.client().take(), "cdHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
}

func TestServerHasEnoughOfTheRequest(t *testing.T) {
	const head = "POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
	t.Run("announced", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(head + "abc")
		const resp = "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
		f.reply(resp)
		want(t, "client got", f.client().take(), resp)
		f.end(f.last(), nil)
		if !f.client().closed || f.client().how != engine.Flush {
			t.Errorf("client %+v", f.client())
		}
		s.idle(t)
	})
	t.Run("sudden", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(head + "abc")
		f.reply("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		f.end(f.last(), errReset)
		if !f.client().closed || s.record(t).Status != 413 {
			t.Errorf("client %+v", f.client())
		}
		s.idle(t)
	})
	t.Run("to-the-end", func(t *testing.T) { // the client learns by the end alone that it has all
		s := newSite(t)
		f := s.open(t)
		f.fromClient(strings.Replace(head, "\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n", 1))
		f.reply("HTTP/1.1 413 Too Large\r\n\r\ntoo large")
		f.end(f.last(), nil)
		want(t, "client got", f.client().take(), "HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\ntoo large")
		if l := f.last(); !f.client().closed || f.client().how != engine.Flush || !l.closed || s.record(t).Status != 413 {
			t.Errorf("client %s, server %s", f.client().fate(), l.fate())
		}
		s.idle(t)
	})
}

func TestPersistenceLinesAreAdded(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.InsertCookie, Insert: persistence.Insert{Name: "CASBAH_TEST", HTTPOnly: true}})
	const resp = "HTTP/1.1 200 Success\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n"
	got, f := answered(t, s, get, resp+"ok")
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	if !strings.HasPrefix(head, strings.TrimSuffix(resp, "\r\n\r\n")+"\r\nSet-Cookie: CASBAH_TEST=") || body != "ok" {
		t.Fatalf("client got %q", got)
	}
	_, cookie, _ := strings.Cut(head, "Set-Cookie: CASBAH")
	cookie, _, _ = strings.Cut("CASBAH"+cookie, ";")
	first := s.record(t).Server
	for range 3 {
		f.fromClient(request("/owa", "Cookie: "+cookie))
		f.reply(ok)
		want(t, "client got", f.client().take(), ok)
		r := s.record(t)
		if r.Server != first || r.Step != "insert_cookie" || r.Why != "bound" {
			t.Errorf("record: %q by %q, %q", r.Server, r.Step, r.Why)
		}
	}
}

func TestStepDecides(t *testing.T) { // S1, S25: a binding overrides the algorithm
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	for i := range 4 {
		f := s.open(t)
		f.fromClient(get)
		f.reply(ok)
		if r := s.record(t); r.Server != "cas1" || i > 0 && r.Step != "source_ip" {
			t.Errorf("request %d: %q by %q", i, r.Server, r.Step)
		}
	}
}

func TestRecord(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.now += 1000
	f.fromClient("GET /owa/x?secret=1 HTTP/1.1\r\n")
	f.now += 1000
	f.fromClient("Host: Mail\r\n\r\n")
	f.now += 1000
	f.reply(ok[:5])
	f.now += 1000
	f.reply(ok[5:])
	got := fmt.Sprintf("%+v", s.record(t))
	wants := fmt.Sprintf("%+v", route.Record{
		VIP: "mail", Profile: "owa", Client: s.conn.Remote, Source: s.conn.Remote.Addr(), Server: "cas1",
		Method: []byte("GET"), Host: []byte("Mail"), Path: []byte("/owa/x"), Why: "no_key",
		Status: 200, In: int64(len("GET /owa/x?secret=1 HTTP/1.1\r\nHost: Mail\r\n\r\n")), Out: int64(len(ok)),
		Begin: epoch + 1000, First: epoch + 3000, Finish: epoch + 4000, Attempts: 1,
	})
	want(t, "record", got, wants)
}
