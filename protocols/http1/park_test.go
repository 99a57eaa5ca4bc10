package http1

import (
	"testing"
	"time"

	"casbah/engine"
	"casbah/persistence"
)

// asks sends a request that the profile oab takes, and its answer.
func (f *fake) asks() {
	f.t.Helper()
	f.fromClient(request("/oab/x", ""))
	f.reply(ok)
	if got := f.client().take(); got != ok {
		f.t.Fatalf("client got %q; want %q", got, ok)
	}
}

func TestConnectionThatNobodyUsesIsParked(t *testing.T) {
	s := newSite(t, persistence.Step{By: persistence.SourceIP})
	f := s.open(t)
	f.asks()
	first := f.last()
	f.pass(time.Second - 1)
	if first.closed {
		t.Fatal("parked too early")
	}
	f.pass(1)
	if !first.closed || first.how != engine.Park || f.client().closed {
		t.Fatalf("server %+v, client %+v; want the one parked and the other open", first, f.client())
	}
	for range 3 { // each time anew
		f.pass(10 * time.Second)
		f.asks()
		if l := f.last(); l == first || !l.reused || l.endpoint != first.endpoint {
			t.Errorf("dialled %s with reuse %v; want %s, to which the client is bound, with reuse", l.endpoint.Name, l.reused, first.endpoint.Name)
		}
		if f.parked[first.endpoint] = false; f.last().closed {
			t.Error("parked at once")
		}
	}
	if r := s.record(t); r.Why != "bound" || len(s.records) != 4 {
		t.Errorf("%d records, the last %s; want 4, bound", len(s.records), r.Why)
	}
	s.idle(t)
}

func TestBusyClientKeepsItsConnection(t *testing.T) {
	s := newSite(t)
	single(s, "oab")
	f := s.open(t)
	for range 20 {
		f.asks()
		f.pass(time.Second - 1)
	}
	f.fromClient(request("/oab/x", ""))
	f.pass(30 * time.Second) // the server takes its time
	f.reply(ok)
	f.client().take()
	f.pass(time.Second - 1)
	f.asks()
	if len(f.log) != 1 || f.last().closed {
		t.Errorf("%d connections, the last closed %v; want one that is open", len(f.log), f.last().closed)
	}
}

func TestConnectionsThatAreNotParked(t *testing.T) {
	for _, tt := range []struct{ name, req string }{
		{"profile-without-reuse", get},
		{"authorized", request("/oab/x", "Authorization: Basic YTpi")},
		{"pinned", request("/oab/x", "Authorization: NTLM TlRM")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newSite(t).open(t)
			f.fromClient(tt.req)
			f.reply(ok)
			f.pass(time.Minute)
			if f.last().closed {
				t.Errorf("closed: %v", f.last().how)
			}
			f.pass(time.Hour)
			if l := f.last(); !l.closed || l.how == engine.Park {
				t.Errorf("after the end of the client: closed %v, %v", l.closed, l.how)
			}
		})
	}
}

// A request of HTTP/1.0 that does not ask to keep the connection goes so to the server,
// which closes it, be it with a word or without (RFC 9112, Section 9.3).
func TestConnectionOfAnOldRequestIsNotParked(t *testing.T) {
	for _, tt := range []struct {
		line   string
		parked bool
	}{{"", false}, {"Connection: keep-alive\r\n", true}} {
		f := newSite(t).open(t)
		f.fromClient("GET /oab/x HTTP/1.0\r\nHost: a\r\n" + tt.line + "\r\n")
		f.reply(ok)
		f.pass(time.Second)
		if l := f.last(); !l.closed || (l.how == engine.Park) != tt.parked {
			t.Errorf("%q: server %s; want parked %v", tt.line, l.fate(), tt.parked)
		}
	}
}

// One that waits beside an exchange on a pinned connection is parked as well,
// and so is one whose client sends a head octet by octet.
func TestConnectionIsParkedWhileTheClientIsBusyElsewhere(t *testing.T) {
	for _, tt := range []struct{ name, then string }{
		{"pinned", request("/ews/x", "Authorization: NTLM TlRM")},
		{"half-a-head", "GET /oab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newSite(t).open(t)
			f.asks()
			free := f.last()
			f.parked[free.endpoint] = false
			if tt.name == "pinned" { // what carries an identity takes no connection of before
				f.fromClient(request("/ews/x", "Authorization: NTLM TlRM"))
				f.reply(ok)
				f.client().take()
				f.asks()
				free = f.last()
			}
			f.pass(time.Second / 2)
			f.fromClient(tt.then)
			f.pass(time.Second / 2)
			if !free.closed || free.how != engine.Park {
				t.Errorf("closed %v, %v; want it parked", free.closed, free.how)
			}
		})
	}
}

// A busy connection is not more work for its driver than one that cannot be
// parked, but for a tick each second.
func TestParkingCostsABusyConnectionNothing(t *testing.T) {
	s := newSite(t)
	single(s, "oab")
	f := s.open(t)
	f.asks()
	f.wakes = 0
	for range 10_000 {
		f.pass(time.Millisecond)
		f.asks()
	}
	if f.wakes > 10 {
		t.Errorf("the deadline was set %d times in 10 seconds; want once a second at most", f.wakes)
	}
	if len(f.log) != 1 {
		t.Errorf("%d connections; want 1", len(f.log))
	}
}
