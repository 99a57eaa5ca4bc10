package http1

import (
	"strings"
	"testing"
	"time"

	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

func TestHeaderTimeout(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.pass(time.Minute)
	f.fromClient("GET /owa ")
	f.pass(5 * time.Second)
	f.fromClient("HTTP/1.1\r\n") // an octet now and then does not help
	f.pass(4 * time.Second)
	if f.client().closed {
		t.Fatal("closed too early")
	}
	f.pass(time.Second)
	refused(t, s, f, 408, route.CauseSlow)
	if r := s.record(t); !f.client().closed || r.End != route.EndSlow || r.Elapsed() != 10*time.Second {
		t.Errorf("closed %v, ends %v after %v", f.client().closed, r.End, r.Elapsed())
	}
}

func TestIdleConnection(t *testing.T) {
	t.Run("never-used", func(t *testing.T) {
		f := newSite(t).open(t)
		f.pass(2*time.Minute - 1)
		if f.client().closed {
			t.Fatal("closed too early")
		}
		f.pass(1)
		if !f.client().closed || len(f.client().sent) != 0 {
			t.Errorf("client: %+v", f.client())
		}
	})
	t.Run("between-requests", func(t *testing.T) {
		f := newSite(t).open(t)
		f.pass(time.Minute)
		f.fromClient(get)
		f.reply(ok)
		f.client().take()
		f.pass(2*time.Minute - 1)
		if f.client().closed {
			t.Fatal("closed too early")
		}
		f.pass(1)
		if !f.client().closed || len(f.client().sent) != 0 || !f.last().closed {
			t.Errorf("client: %+v", f.client())
		}
	})
}

func TestResponseTimeout(t *testing.T) {
	t.Run("no-octet", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(get)
		f.pass(time.Minute - 1)
		if len(s.records) > 0 {
			t.Fatal("too early")
		}
		f.pass(1)
		refused(t, s, f, 504, route.CauseTimeout)
		if r := s.record(t); r.End != route.EndTimeout || r.Server != "cas1" || f.client().closed {
			t.Errorf("record %+v", r)
		}
	})
	t.Run("request-still-flows", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
		for range 10 {
			f.pass(50 * time.Second)
			f.fromClient("x")
		}
		f.pass(2 * time.Minute) // it is the client that is awaited
		if len(s.records) > 0 {
			t.Fatalf("ended: %v", s.record(t).End)
		}
	})
	t.Run("continue-is-owed", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
		f.pass(time.Minute)
		refused(t, s, f, 504, route.CauseTimeout)
	})
	t.Run("interim-response", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(get)
		for range 3 {
			f.pass(50 * time.Second)
			f.reply("HTTP/1.1 102 Processing\r\n\r\n")
		}
		if len(s.records) > 0 {
			t.Fatal("ended")
		}
	})
	t.Run("never", func(t *testing.T) {
		s := newSite(t)
		s.profile("owa").ResponseTimeout = 0
		f := s.open(t)
		f.fromClient(get)
		f.pass(4 * time.Minute)
		if len(s.records) > 0 {
			t.Fatal("ended")
		}
		f.pass(time.Minute)
		refused(t, s, f, 504, route.CauseTimeout)
		if r := s.record(t); r.End != route.EndIdle {
			t.Errorf("ends %v, want idle", r.End)
		}
	})
}

func TestIdleTimeoutIsBetweenOctets(t *testing.T) {
	for _, tt := range []struct{ name, head, octet string }{
		{"moved", "HTTP/1.1 200 Success\r\nContent-Length: 1073741824\r\n\r\n", "x"},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
		{"to-the-end", "HTTP/1.1 200 OK\r\n\r\n", "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			f.fromClient(get)
			f.reply(tt.head)
			for range 20 { // far longer than any limit in sum
				f.pass(5*time.Minute - 1)
				f.reply(tt.octet)
			}
			if f.client().closed {
				t.Fatal("closed while octets flow")
			}
			f.pass(5 * time.Minute)
			if r := s.record(t); !f.client().closed || !f.last().closed || r.End != route.EndIdle {
				t.Errorf("closed %v, ends %v", f.client().closed, r.End)
			}
			s.idle(t)
		})
	}
}

func TestMinimumBodyRate(t *testing.T) {
	post := func(t *testing.T) (*site, *fake) {
		t.Helper()
		s := newSite(t)
		s.profile("owa").MinBodyRate = 100
		f := s.open(t)
		f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
		return s, f
	}
	t.Run("slow", func(t *testing.T) {
		s, f := post(t)
		for range 29 {
			f.pass(time.Second)
			f.fromClient(strings.Repeat("x", 99))
		}
		if f.client().closed {
			t.Fatal("closed within the window")
		}
		f.pass(time.Second)
		refused(t, s, f, 408, route.CauseSlow)
		if r := s.record(t); !f.client().closed || r.End != route.EndSlow {
			t.Errorf("ends %v", r.End)
		}
	})
	t.Run("fast-enough", func(t *testing.T) {
		s, f := post(t)
		for range 300 {
			f.pass(time.Second)
			f.fromClient(strings.Repeat("x", 104))
		}
		if f.client().closed {
			t.Errorf("closed: %v", s.record(t).End)
		}
	})
	t.Run("server-is-slow", func(t *testing.T) {
		s, f := post(t)
		f.fullAt = 1
		f.fromClient("x")
		f.pass(59 * time.Second)
		if f.client().closed {
			t.Fatalf("the client is blamed: %v", s.record(t).End)
		}
		f.drain(f.last())
		f.pass(29 * time.Second)
		if f.client().closed {
			t.Fatal("the time of the server counts")
		}
		f.pass(time.Second)
		refused(t, s, f, 408, route.CauseSlow)
	})
	t.Run("waits-for-continue", func(t *testing.T) {
		s := newSite(t)
		s.profile("owa").MinBodyRate = 100
		f := s.open(t)
		f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
		f.pass(59 * time.Second)
		if f.client().closed {
			t.Fatal("the client is blamed")
		}
		f.reply("HTTP/1.1 100 Continue\r\n\r\n")
		f.pass(30 * time.Second)
		if r := s.record(t); r.End != route.EndSlow {
			t.Errorf("ends %v", r.End)
		}
	})
	t.Run("response-has-begun", func(t *testing.T) {
		s, f := post(t)
		f.reply("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
		f.client().take()
		f.pass(30 * time.Second)
		want(t, "client got", f.client().take(), "")
		if r := s.record(t); !f.client().closed || r.End != route.EndSlow || r.Status != 200 {
			t.Errorf("record %v %d", r.End, r.Status)
		}
	})
	t.Run("rpc-has-none", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient("RPC_IN_DATA /rpc HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n")
		f.pass(4 * time.Minute)
		if f.client().closed {
			t.Errorf("closed: %v", s.record(t).End)
		}
	})
}

func TestOpenExchangeKeepsItsBinding(t *testing.T) { // S35
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	s.profile("owa").ResponseTimeout, s.profile("owa").IdleTimeout = 0, 0
	f := s.open(t)
	f.fromClient(get)
	f.pass(10 * time.Hour) // ten times the idle time of a binding
	f.reply(ok)
	for range 2 {
		f.fromClient(get)
		f.reply(ok)
		if r := s.record(t); r.Server != "cas1" || r.Why != "bound" {
			t.Errorf("record: %s, %s", r.Server, r.Why)
		}
	}
}

func TestWakeIsNotCalledForEachRequest(t *testing.T) {
	s := newSite(t)
	f := s.served(t)
	f.wake = 0
	for range 10 {
		f.now += int64(time.Second)
		f.fromClient(get)
		f.reply(ok)
	}
	if f.wake != 0 {
		t.Error("the deadline was set anew")
	}
}

func TestClientClosesItsHalf(t *testing.T) {
	t.Run("request-complete", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(get)
		f.end(f.client(), nil)
		f.pass(29 * time.Second)
		f.reply(ok)
		want(t, "client got", f.client().take(), ok)
		if !f.client().closed || s.record(t).End != route.EndDone {
			t.Errorf("closed %v, ends %v", f.client().closed, s.record(t).End)
		}
	})
	t.Run("idle-limit", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(get)
		f.end(f.client(), nil)
		f.pass(30 * time.Second)
		if !f.client().closed || !f.last().closed || s.record(t).End != route.EndIdle {
			t.Errorf("closed %v, ends %v", f.client().closed, s.record(t).End)
		}
		s.idle(t)
	})
	t.Run("request-incomplete", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc")
		f.end(f.client(), nil)
		if !f.client().closed || f.last().how != engine.Reset || s.record(t).End != route.EndClient {
			t.Errorf("client %+v, server %+v, ends %v", f.client(), f.last(), s.record(t).End)
		}
		s.idle(t)
	})
	t.Run("half-a-head", func(t *testing.T) {
		f := newSite(t).open(t)
		f.fromClient("GET /ow")
		f.end(f.client(), nil)
		if len(f.log) != 0 || !f.client().closed {
			t.Errorf("%d connections to servers, client closed %v; want none, true", len(f.log), f.client().closed)
		}
	})
	t.Run("pipelined", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(get + get)
		f.end(f.client(), nil)
		f.reply(ok)
		f.reply(ok)
		want(t, "client got", f.client().take(), ok+ok)
		if !f.client().closed {
			t.Error("not closed")
		}
	})
	t.Run("pipelined-half-a-head", func(t *testing.T) {
		f := newSite(t).open(t)
		f.fromClient(get + "GET /")
		f.end(f.client(), nil)
		f.reply(ok)
		want(t, "client got", f.client().take(), ok)
		if !f.client().closed {
			t.Error("not closed")
		}
	})
}
