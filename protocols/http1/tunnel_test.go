package http1

import (
	"testing"
	"time"

	"casbah/engine"
	"casbah/route"
)

const (
	wsAsk    = "GET /owa/ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
	wsAnswer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)

func openTunnel(t *testing.T) (*site, *fake) {
	t.Helper()
	s := newSite(t)
	f := s.open(t)
	f.fromClient(wsAsk)
	want(t, "server got", f.last().take(), forwarded(wsAsk))
	f.fromClient("early") // before the answer: not a request
	want(t, "server got", f.last().take(), "")
	f.reply(wsAnswer + "frame")
	want(t, "client got", f.client().take(), wsAnswer+"frame")
	want(t, "server got", f.last().take(), "early")
	return s, f
}

func TestTunnel(t *testing.T) {
	s, f := openTunnel(t)
	f.fromClient(get)
	want(t, "server got", f.last().take(), get)
	f.reply(ok)
	want(t, "client got", f.client().take(), ok)
	f.end(f.client(), nil)
	if !f.last().half || f.last().closed {
		t.Errorf("server: %+v", f.last())
	}
	f.reply("bye")
	want(t, "client got", f.client().take(), "bye")
	f.end(f.last(), nil)
	if !f.client().closed || !f.last().closed {
		t.Error("not closed")
	}
	r := s.record(t)
	if r.Status != 101 || r.End != route.EndDone || r.In != int64(len(wsAsk)+len("early")+len(get)) {
		t.Errorf("record: %d %v in %d", r.Status, r.End, r.In)
	}
	s.idle(t)
}

func TestTunnelEnds(t *testing.T) {
	t.Run("server-first", func(t *testing.T) {
		s, f := openTunnel(t)
		f.end(f.last(), nil)
		if !f.client().half || f.client().closed {
			t.Errorf("client: %+v", f.client())
		}
		f.end(f.client(), nil)
		if !f.client().closed || s.record(t).End != route.EndDone {
			t.Error("not done")
		}
	})
	t.Run("client-gone", func(t *testing.T) {
		s, f := openTunnel(t)
		f.end(f.client(), errReset)
		if !f.last().closed || s.record(t).End != route.EndClient {
			t.Errorf("ends %v", s.record(t).End)
		}
	})
	t.Run("server-gone", func(t *testing.T) {
		s, f := openTunnel(t)
		f.end(f.last(), errReset)
		if !f.client().closed || s.record(t).End != route.EndServer {
			t.Errorf("ends %v", s.record(t).End)
		}
	})
	t.Run("idle", func(t *testing.T) {
		s, f := openTunnel(t)
		for range 3 {
			f.pass(5*time.Minute - 1)
			f.fromClient("ping")
		}
		if f.client().closed {
			t.Fatal("closed while octets flow")
		}
		f.pass(5 * time.Minute)
		if !f.client().closed || s.record(t).End != route.EndIdle {
			t.Error("not closed")
		}
		s.idle(t)
	})
	t.Run("drain-leaves-it", func(t *testing.T) {
		_, f := openTunnel(t)
		f.tick(engine.Drain)
		if f.client().closed {
			t.Error("closed")
		}
		f.tick(engine.Kill)
		if !f.client().closed || f.last().how != engine.Reset {
			t.Error("not killed")
		}
	})
}

func TestOnlyWebSocketMakesATunnel(t *testing.T) {
	tests := []struct{ name, req string }{
		{"profile-forbids", "GET /ews HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"other-protocol", "GET /owa HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n"},
		{"no-option", "GET /owa HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"},
		{"post", "POST /owa HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"body", "GET /owa HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx"},
		{"old", "GET /owa HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"rpc", "RPC_IN_DATA /rpc HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			f.fromClient(tt.req)
			if got := f.last().take(); contains(got, "Upgrade") {
				t.Errorf("server got %q", got)
			}
			f.reply(wsAnswer)
			refused(t, s, f, 502, route.CauseGarbage)
		})
	}
}
