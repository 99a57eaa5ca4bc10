package http1

import (
	"fmt"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
)

func TestNamesIdentity(t *testing.T) {
	tests := []struct {
		value string
		want  bool
	}{
		{"NTLM TlRMTVNTUAAB", true},
		{"ntlm", true},
		{"NeGoTiAtE YII=", true},
		{"Kerberos YII=", true},
		{"Nego2", true},
		{"Negotiate,NTLM", true},
		{"Basic realm=\"mail\", NTLM", true},
		{"Basic YTpi,Negotiate YII=", true},
		{"NTLM\tTlRM", true},
		{"Basic YTpi", false},
		{"Bearer eyJ.eyJ.sig", false},
		{"Digest username=\"NTLM\"", false},
		{"NTLMv9 x", false},
		{"Negotiated x", false},
		{"", false},
	}
	for _, tt := range tests {
		if got := namesIdentity([]byte(tt.value)); got != tt.want {
			t.Errorf("namesIdentity(%q) = %v; want %v", tt.value, got, tt.want)
		}
	}
}

// request is a GET of path with one more line.
func request(path, line string) string {
	if line != "" {
		line += "\r\n"
	}
	return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + line + "\r\n"
}

const offer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"

func TestCredentialPinsBeforeItIsSent(t *testing.T) {
	for _, line := range []string{
		"Authorization: NTLM TlRM", "authorization: negotiate YII=", "AUTHORIZATION: Kerberos YII=",
		"Authorization: Basic YTpi\r\nAuthorization: NTLM TlRM",
	} {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(request("/ews", line))
		if n := s.vip.Counters.Pins.Load(); n != 1 {
			t.Errorf("%s: %d pins while the request is open, want 1", line, n)
		}
		f.reply(ok)
		for range 4 { // round robin would alternate
			f.fromClient(request("/ews", ""))
			f.reply(ok)
		}
		if len(f.log) != 1 {
			t.Errorf("%s: %d server connections, want 1", line, len(f.log))
		}
		r := s.record(t)
		if !r.Pinned || r.Why != "pinned" || r.Server != "cas1" {
			t.Errorf("%s: record %+v", line, r)
		}
		if n := s.profile("ews").Candidates[0].Service.Requests.Load(); n != 5 {
			t.Errorf("%s: service counted %d requests, want 5", line, n)
		}
		s.idle(t)
	}
}

func TestOfferPins(t *testing.T) {
	for _, line := range []string{"Negotiate", "NTLM", "Negotiate,NTLM", "Basic realm=\"a\", NTLM", "nego2"} {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(request("/ews", ""))
		answer := "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: " + line + "\r\nContent-Length: 0\r\n\r\n"
		f.reply(answer)
		want(t, "client got", f.client().take(), answer)
		f.fromClient(request("/ews", "Authorization: NTLM TlRM"))
		f.reply(ok)
		if n := s.vip.Counters.Pins.Load(); n != 1 || len(f.log) != 1 {
			t.Errorf("%s: %d pins on %d connections, want 1 on 1", line, n, len(f.log))
		}
	}
}

func TestBasicAndBearerDoNotPin(t *testing.T) {
	for _, tt := range []struct{ line, answer string }{
		{"Authorization: Basic YTpi", ok},
		{"Authorization: Bearer eyJ", ok},
		{"", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\nContent-Length: 0\r\n\r\n"},
		{"", "HTTP/1.1 200 OK\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"},
	} {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(request("/ews", tt.line))
		f.reply(tt.answer)
		if n := s.vip.Counters.Pins.Load(); n != 0 {
			t.Errorf("%q %q: pinned", tt.line, tt.answer)
		}
	}
}

func TestPinServesItsProfileAlone(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(request("/ews", "Authorization: NTLM TlRM"))
	f.reply(ok)
	pinned := f.last()
	pinned.take()
	f.fromClient(request("/owa", ""))
	f.fromClient(request("/rpc", ""))
	f.reply(ok)
	f.reply(ok)
	want(t, "pinned connection got", pinned.take(), "")
	if len(f.log) < 2 {
		t.Fatal("another profile went over the pinned connection")
	}
	f.fromClient(request("/ews", ""))
	if got := pinned.take(); got == "" {
		t.Error("the pinned profile went elsewhere")
	}
}

func TestTwoPinsOnOneClientConnection(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(request("/ews", "Authorization: NTLM TlRM"))
	f.reply(ok)
	f.fromClient(request("/owa", "Authorization: NTLM TlRM"))
	f.reply(ok)
	if len(f.log) != 2 || s.vip.Counters.Pins.Load() != 2 {
		t.Fatalf("%d connections, %d pins; want 2, 2", len(f.log), s.vip.Counters.Pins.Load())
	}
	for i, path := range []string{"/ews", "/owa"} {
		f.log[i].take()
		f.fromClient(request(path, ""))
		if f.log[i].take() == "" {
			t.Errorf("%s left its pair", path)
		}
		f.recv(f.log[i], ok)
	}
	f.end(f.client(), nil)
	for i, l := range f.log {
		if !l.closed || l.how == engine.Park {
			t.Errorf("connection %d outlives the client: %+v", i, l)
		}
	}
}

func TestPairEndsTogether(t *testing.T) {
	login := func(t *testing.T) (*site, *fake) {
		t.Helper()
		s := newSite(t)
		f := s.open(t)
		f.fromClient(request("/ews", "Authorization: NTLM TlRM"))
		f.reply(ok)
		f.client().take()
		return s, f
	}
	t.Run("server-closes-idle", func(t *testing.T) {
		_, f := login(t)
		f.end(f.last(), nil)
		if !f.client().closed || len(f.client().sent) != 0 {
			t.Errorf("client: %+v", f.client())
		}
	})
	t.Run("server-resets-idle", func(t *testing.T) {
		_, f := login(t)
		f.end(f.last(), errReset)
		if !f.client().closed {
			t.Error("client not closed")
		}
	})
	t.Run("server-closes-under-a-request", func(t *testing.T) {
		s, f := login(t)
		f.fromClient(request("/ews", ""))
		f.end(f.last(), nil)
		if !f.client().closed || len(f.client().sent) != 0 || len(f.log) != 1 {
			t.Errorf("client: %+v, %d dials", f.client(), len(f.log))
		}
		s.idle(t)
	})
	t.Run("server-closes-while-another-profile-answers", func(t *testing.T) {
		_, f := login(t)
		f.fromClient(request("/owa", ""))
		f.end(f.log[0], nil)
		if f.client().closed {
			t.Fatal("closed before the response")
		}
		f.reply(ok)
		want(t, "client got", f.client().take(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		if !f.client().closed {
			t.Error("client not closed")
		}
	})
	t.Run("server-announces-close", func(t *testing.T) {
		_, f := login(t)
		f.fromClient(request("/ews", ""))
		const last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
		f.reply(last)
		want(t, "client got", f.client().take(), last)
		if !f.client().closed || !f.last().closed {
			t.Error("the pair was not closed")
		}
	})
	t.Run("client-closes", func(t *testing.T) {
		_, f := login(t)
		f.end(f.client(), nil)
		if !f.last().closed || f.last().how == engine.Park {
			t.Errorf("server: %+v", f.last())
		}
	})
	t.Run("client-is-gone", func(t *testing.T) {
		_, f := login(t)
		f.fromClient(request("/ews", ""))
		f.end(f.client(), errReset)
		if !f.last().closed || f.last().how != engine.Reset {
			t.Errorf("server: %+v", f.last())
		}
	})
	t.Run("first-request-fails", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(request("/ews", "Authorization: NTLM TlRM"))
		f.end(f.last(), errReset)
		want(t, "client got", f.client().take(), "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		if !f.client().closed || len(f.log) != 1 {
			t.Error("the pair was not ended")
		}
		s.idle(t)
	})
	for _, state := range []balance.State{balance.Down, balance.Maintenance} {
		t.Run("server-"+state.String(), func(t *testing.T) {
			s, f := login(t)
			s.profile("ews").Candidates[0].Service.SetState(time.Unix(1, 0), state)
			f.last().take()
			f.fromClient(request("/ews", ""))
			want(t, "server got", f.last().take(), "")
			if !f.client().closed || len(f.log) != 1 {
				t.Error("the pair was not ended")
			}
			s.idle(t)
		})
	}
	t.Run("server-drains", func(t *testing.T) {
		s, f := login(t)
		s.profile("ews").Candidates[0].Service.SetState(time.Unix(1, 0), balance.Drain)
		f.fromClient(request("/ews", ""))
		f.reply(ok)
		want(t, "client got", f.client().take(), ok)
	})
}

func TestPinSurvivesReload(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(request("/ews", "Authorization: NTLM TlRM"))
	f.reply(ok)
	next := newSite(t) // another snapshot, with profiles and services of its own
	for i, p := range next.vip.Profiles {
		for j := range p.Candidates {
			p.Candidates[j].Endpoint = s.vip.Profiles[i].Candidates[j].Endpoint
		}
	}
	s.cur.Store(next.vip)
	f.last().take()
	f.fromClient(request("/ews", ""))
	if f.last().take() == "" || len(f.log) != 1 {
		t.Error("the request left the pair")
	}
	f.reply(ok)
	next.idle(t)
}

func TestOnlyAnonymousConnectionsArePooled(t *testing.T) {
	tests := []struct {
		name, line, answer string
		parked             bool
	}{
		{"anonymous", "", ok, true},
		{"basic", "Authorization: Basic YTpi", ok, false},
		{"bearer", "Authorization: Bearer eyJ", ok, false},
		{"ntlm", "Authorization: NTLM TlRM", ok, false},
		{"offer", "", offer, false},
		{"close", "", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			f.fromClient(request("/oab", tt.line))
			if want := tt.line == ""; f.last().reused != want {
				t.Errorf("dialled with reuse %v, want %v", f.last().reused, want)
			}
			f.reply(tt.answer)
			f.end(f.client(), nil)
			l := f.last()
			if parked := l.closed && l.how == engine.Park; parked != tt.parked || !l.closed {
				t.Errorf("closed %v how %v, want parked %v", l.closed, l.how, tt.parked)
			}
		})
	}
	t.Run("profile-without-reuse", func(t *testing.T) {
		f := newSite(t).open(t)
		f.fromClient(request("/owa", ""))
		f.reply(ok)
		f.end(f.client(), nil)
		if f.last().how == engine.Park || f.last().reused {
			t.Error("pooled")
		}
	})
	t.Run("shared-with-a-profile-without-reuse", func(t *testing.T) {
		s := newSite(t)
		s.profile("oab").Candidates = s.profile("oab").Candidates[:1]
		s.profile("owa").Candidates = s.profile("owa").Candidates[:1]
		f := s.open(t)
		for _, path := range []string{"/oab", "/owa", "/oab"} {
			f.fromClient(request(path, ""))
			f.reply(ok)
		}
		if len(f.log) != 1 {
			t.Fatalf("%d connections, want 1", len(f.log))
		}
		f.end(f.client(), nil)
		if f.last().how == engine.Park {
			t.Error("pooled")
		}
	})
}

// TestNoIdentityIsShared plays users that interleave requests of all kinds and
// checks on each server connection that whoever logged in there is the only one
// who ever used it afterwards.
func TestNoIdentityIsShared(t *testing.T) {
	s := newSite(t)
	owner := map[*fakeLeg]string{}
	paths := []string{"/ews", "/owa", "/oab", "/rpc"}
	var users []*fake
	for range 4 {
		users = append(users, s.open(t))
	}
	seed := uint32(1)
	for range 2000 {
		seed = seed*1664525 + 1013904223
		u := int(seed>>8) % len(users)
		f := users[u]
		if f.client().closed {
			f = s.open(t)
			users[u] = f
		}
		path := paths[seed>>16%4]
		line := ""
		if seed>>20%3 == 0 {
			line = "Authorization: NTLM TlRM"
		}
		f.fromClient(request(path, line))
		for _, l := range f.legs {
			if l.id == engine.Client || l.take() == "" {
				continue
			}
			who := fmt.Sprint(u, path)
			if o, ok := owner[l]; ok && o != who {
				t.Fatalf("connection of %s got a request of %s", o, who)
			}
			if line != "" {
				owner[l] = who
			}
			f.recv(l, ok)
		}
		if seed>>24%20 == 0 {
			f.end(f.client(), nil)
		}
	}
	s.idle(t)
}
