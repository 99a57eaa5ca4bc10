package http1

import (
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/route"
)

// single leaves the profile one server.
func single(s *site, profile string) {
	p := s.profile(profile)
	p.Candidates = p.Candidates[:1]
}

// served opens a connection for which owa's only server has answered a request:
// the next one goes the same way, and may meet a dead connection there.
func (s *site) served(t *testing.T) *fake {
	t.Helper()
	single(s, "owa")
	f := s.open(t)
	f.fromClient(get)
	f.reply(ok)
	f.client().take()
	f.last().take()
	return f
}

func TestConnectionIsKeptForTheSameServer(t *testing.T) {
	s := newSite(t)
	single(s, "owa")
	f := s.open(t)
	for range 3 {
		f.fromClient(get)
		f.reply(ok)
	}
	if len(f.log) != 1 {
		t.Errorf("%d connections, want 1", len(f.log))
	}
}

func TestConnectErrorGoesToAnotherServer(t *testing.T) {
	for _, req := range []string{get, "POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"} {
		s := newSite(t)
		f := s.open(t)
		f.refuse = func(e *balance.Endpoint) bool { return e.Name == "cas1" }
		f.fromClient(req)
		head, body, _ := strings.Cut(req, "\r\n\r\n")
		want(t, "server got", f.last().take(), forwarded(head+"\r\n\r\n")+body)
		f.reply(ok)
		want(t, "client got", f.client().take(), ok)
		r := s.record(t)
		if r.Server != "cas2" || r.Attempts != 2 {
			t.Errorf("record: %s after %d attempts", r.Server, r.Attempts)
		}
		if n := s.profile("owa").Candidates[0].Service.Failures.Load(); n != 1 {
			t.Errorf("%d failures counted, want 1", n)
		}
		s.idle(t)
	}
}

func TestNoServerCanBeReached(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.refuse = func(*balance.Endpoint) bool { return true }
	f.fromClient(get)
	refused(t, s, f, 502, route.CauseNoServer)
	if r := s.record(t); r.Attempts != 2 || r.End != route.EndNoServer || f.client().closed {
		t.Errorf("record: %+v", r)
	}
}

func TestHeldClientGets502(t *testing.T) {
	// A decision that is held leaves no server: the chain's own tests show when.
	s := newSite(t)
	single(s, "owa")
	f := s.open(t)
	f.refuse = func(*balance.Endpoint) bool { return true }
	f.fromClient(get + get)
	if got := strings.Count(f.client().take(), "HTTP/1.1 502 Bad Gateway"); got != 2 {
		t.Errorf("%d answers, want 2", got)
	}
}

func TestDeadKeptConnection(t *testing.T) {
	post := "POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
	tests := []struct {
		name, req string
		repeated  bool
	}{
		{"get", get, true},
		{"head", "HEAD /owa HTTP/1.1\r\nHost: a\r\n\r\n", true},
		{"options", "OPTIONS /owa HTTP/1.1\r\nHost: a\r\n\r\n", true},
		{"get-with-empty-body", "GET /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", true},
		{"get-with-body", "GET /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", false},
		{"get-chunked", "GET /owa HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"post", post, false},
		{"post-without-body", "POST /owa HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"put", "PUT /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", false},
	}
	for _, tt := range tests {
		for _, err := range []error{nil, errReset} {
			t.Run(tt.name, func(t *testing.T) {
				s := newSite(t)
				f := s.served(t)
				f.fromClient(tt.req)
				f.end(f.last(), err)
				if repeated := len(f.log) == 2; repeated != tt.repeated {
					t.Fatalf("%d connections, want repeated %v", len(f.log), tt.repeated)
				}
				if !tt.repeated {
					refused(t, s, f, 502, route.CauseGarbage)
					return
				}
				want(t, "server got", f.last().take(), forwarded(tt.req))
				f.end(f.last(), err) // a second time is not a dead connection any more
				refused(t, s, f, 502, route.CauseGarbage)
				if len(f.log) != 2 {
					t.Errorf("%d connections, want 2", len(f.log))
				}
			})
		}
	}
}

func TestFreshConnectionIsNotRetried(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(get)
	f.end(f.last(), nil)
	refused(t, s, f, 502, route.CauseGarbage)
	if n := s.profile("owa").Candidates[0].Service.Failures.Load(); n != 1 || len(f.log) != 1 {
		t.Errorf("%d failures, %d connections; want 1, 1", n, len(f.log))
	}
}

func TestAnsweredRequestIsNotRetried(t *testing.T) {
	s := newSite(t)
	f := s.served(t)
	f.fromClient(get)
	f.reply("H")
	f.end(f.last(), errReset)
	refused(t, s, f, 502, route.CauseGarbage)
	if len(f.log) != 1 {
		t.Errorf("%d connections, want 1", len(f.log))
	}
}

func TestParkedConnectionThatIsDead(t *testing.T) {
	s := newSite(t)
	single(s, "oab")
	f := s.open(t)
	f.parked[s.profile("oab").Candidates[0].Endpoint] = true
	f.fromClient(request("/oab", ""))
	f.end(f.last(), nil)
	if len(f.log) != 2 || f.last().reused {
		t.Fatalf("%d connections, the last with reuse %v", len(f.log), f.last().reused)
	}
	f.reply(ok)
	want(t, "client got", f.client().take(), ok)
}

func TestRetriedOnce(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	oab := s.profile("oab").Candidates
	f.parked[oab[0].Endpoint], f.parked[oab[1].Endpoint] = true, true
	f.refuse = func(e *balance.Endpoint) bool { return len(f.log) == 2 }
	f.fromClient(request("/oab", ""))
	f.end(f.last(), nil) // parked on cas1 and dead; cas1 then refuses, so cas2's parked one is taken
	if len(f.log) != 3 || f.last().endpoint != oab[1].Endpoint {
		t.Fatalf("%d connections", len(f.log))
	}
	f.end(f.last(), nil)
	refused(t, s, f, 502, route.CauseGarbage)
	if len(f.log) != 3 {
		t.Errorf("%d connections, want 3", len(f.log))
	}
}

func TestServerDropsInTheMiddle(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(get)
	f.reply("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
	f.end(f.last(), nil)
	if !f.client().closed || s.record(t).End != route.EndServer {
		t.Errorf("client %+v, ends %v", f.client(), s.record(t).End)
	}
	s.idle(t)
}

func TestIdleServerConnectionCloses(t *testing.T) {
	s := newSite(t)
	f := s.served(t)
	f.end(f.last(), nil)
	if f.client().closed {
		t.Fatal("client closed")
	}
	f.fromClient(get)
	f.reply(ok)
	want(t, "client got", f.client().take(), ok)
}

func TestBodyWaitsForTheServer(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.manual = true
	const head = "POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
	f.fromClient(head + "01234")
	if !f.client().held || string(f.client().in) != "01234" {
		t.Fatalf("the body is not held: %+v", f.client())
	}
	f.client().in = append(f.client().in, "56789"...)
	f.call(func() { f.dialed(f.last()) })
	want(t, "server got", f.last().take(), forwarded(head)+"0123456789")
}

func TestClientGoesWhileDialling(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.manual = true
	f.fromClient(get)
	f.end(f.client(), errReset)
	if !f.last().closed || s.record(t).End != route.EndClient {
		t.Errorf("server %+v, ends %v", f.last(), s.record(t).End)
	}
	s.idle(t)
}

func TestBackPressure(t *testing.T) {
	t.Run("request", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fullAt = 1000
		f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + strings.Repeat("x", 2000) + "\r\n")
		if !f.client().held {
			t.Fatal("client not held")
		}
		f.drain(f.last())
		if f.client().held {
			t.Error("client still held")
		}
	})
	t.Run("response", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(get)
		f.fullAt = 1000
		f.reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + strings.Repeat("x", 2000) + "\r\n")
		if !f.last().held {
			t.Fatal("server not held")
		}
		f.drain(f.client())
		if f.last().held {
			t.Error("server still held")
		}
		f.reply("0\r\n\r\n")
		if s.record(t).End != route.EndDone {
			t.Error("not done")
		}
	})
	t.Run("early-response", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
		f.fullAt = 10
		f.reply(ok)
		if f.last().held {
			t.Error("held behind the response: its end would not be noticed")
		}
	})
	t.Run("held-server-is-free-for-the-next-request", func(t *testing.T) {
		s := newSite(t)
		single(s, "owa")
		f := s.open(t)
		f.fromClient(get)
		f.fullAt = 10
		f.reply(ok)
		if f.last().held {
			t.Error("held after the response")
		}
		f.fromClient(get) // waits until the client has taken the response
		want(t, "client got", f.client().take(), ok)
		f.drain(f.client())
		f.reply(ok)
		want(t, "client got", f.client().take(), ok)
	})
}

func TestDrainedServerFinishesWhatIsOpen(t *testing.T) { // S27
	s := newSite(t)
	f := s.open(t)
	f.fromClient(get)
	s.profile("owa").Candidates[0].Service.SetState(time.Unix(1, 0), balance.Maintenance)
	f.reply(ok)
	want(t, "client got", f.client().take(), ok)
	f.fromClient(get)
	f.reply(ok)
	if r := s.record(t); r.Server != "cas2" {
		t.Errorf("next request to %s", r.Server)
	}
	if !f.log[0].closed || f.log[0].how != engine.Flush {
		t.Errorf("connection to cas1: %+v", f.log[0])
	}
}
