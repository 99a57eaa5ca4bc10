package http1

import (
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// order orders something of the first server for a profile, as the node does.
func (s *site) order(f *fake, profile string, o balance.Order) {
	o.Since = f.now
	s.profile(profile).Candidates[0].Service.SetOrder(time.Unix(0, f.now), o)
	f.tick(engine.Woken)
}

// paired returns a connection that somebody has logged on to.
func paired(t *testing.T) (*site, *fake) {
	t.Helper()
	s := newSite(t)
	single(s, "ews")
	f := s.open(t)
	f.fromClient(request("/ews", "Authorization: NTLM TlRM"))
	f.reply(ok)
	f.client().take()
	return s, f
}

// in returns the time that long from now.
func (f *fake) in(d time.Duration) int64 { return f.now + int64(d) }

const (
	challenge = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM TlRMAg==\r\nContent-Length: 0\r\n\r\n"
	closing   = "Connection: close\r\n"
)

// A pair under a firm drain is ended behind its next answer, and never amid a login.
func TestFirmDrainEndsPairsBetweenRequests(t *testing.T) {
	firm := balance.Order{Kind: balance.OrderFirm}
	t.Run("behind-an-answer", func(t *testing.T) {
		s, f := paired(t)
		s.order(f, "ews", firm)
		f.fromClient(request("/ews", ""))
		f.reply(ok)
		if got := f.client().take(); !strings.Contains(got, closing) || !f.client().closed || !f.last().closed {
			t.Errorf("client got %q, closed %v; want an answer that closes", got, f.client().closed)
		}
		s.idle(t)
	})
	t.Run("amid-a-request", func(t *testing.T) {
		s, f := paired(t)
		f.fromClient(request("/ews", ""))
		s.order(f, "ews", firm)
		f.pass(time.Minute - 1)
		if f.client().closed {
			t.Fatal("an open request is cut")
		}
		f.reply(ok)
		if got := f.client().take(); !strings.Contains(got, closing) {
			t.Errorf("client got %q; want an answer that closes", got)
		}
	})
	t.Run("amid-a-login", func(t *testing.T) {
		s := newSite(t)
		single(s, "ews")
		f := s.open(t)
		f.fromClient(request("/ews", "Authorization: NTLM TlRMTVNTUAABAAAA"))
		s.order(f, "ews", firm)
		f.reply(challenge)
		want(t, "client got", f.client().take(), challenge)
		f.pass(time.Duration(amidTime) - time.Second)
		f.fromClient(request("/ews", "Authorization: NTLM TlRMTVNTUAADAAAA"))
		f.reply(ok)
		if got := f.client().take(); !strings.Contains(got, closing) || len(f.log) != 1 {
			t.Errorf("client got %q over %d connections; want the end of the login, and of the connection", got, len(f.log))
		}
	})
	t.Run("at-rest", func(t *testing.T) {
		s, f := paired(t)
		s.order(f, "ews", balance.Order{Kind: balance.OrderFirm, Until: f.in(time.Minute)})
		leaves := s.profile("ews").Candidates[0].Service.Order().Leaves(balance.Share(s.conn.Remote))
		f.pass(time.Duration(leaves-f.now) - 1)
		if f.client().closed {
			t.Fatal("closed before its turn")
		}
		if f.pass(time.Second); !f.client().closed || f.client().how != engine.Flush {
			t.Error("a pair at rest is not closed when it is its turn")
		}
	})
	t.Run("taken-back", func(t *testing.T) {
		s, f := paired(t)
		s.order(f, "ews", firm)
		s.order(f, "ews", balance.Order{})
		f.pass(time.Minute)
		f.fromClient(request("/ews", ""))
		f.reply(ok)
		want(t, "client got", f.client().take(), ok)
	})
	t.Run("plain-drain", func(t *testing.T) {
		s, f := paired(t)
		s.order(f, "ews", balance.Order{Kind: balance.OrderDrain, Until: f.in(time.Second)})
		f.pass(time.Minute)
		f.fromClient(request("/ews", ""))
		f.reply(ok)
		want(t, "client got", f.client().take(), ok)
	})
}

// S27: what is open is finished in maintenance, and nothing new begins. S28: when
// its time is over, what is open still is closed, not earlier and not later.
func TestMaintenanceEndsWhatIsOpen(t *testing.T) {
	const wait = 30 * time.Second
	maintain := func(s *site, f *fake, profile string) {
		s.order(f, profile, balance.Order{Kind: balance.OrderMaintenance, Close: f.in(wait)})
	}
	for _, tt := range []struct {
		name  string
		reply string // that comes meanwhile
		ends  bool
	}{
		{"finished", ok, true},
		{"nothing-came", "", false},
		{"half-came", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, persistence.Step{By: persistence.SourceIP})
			single(s, "owa")
			f := s.open(t)
			f.fromClient(get)
			maintain(s, f, "owa")
			f.pass(wait - 1)
			if tt.reply != "" {
				f.reply(tt.reply)
			}
			if f.last().closed != tt.ends || f.client().closed {
				t.Errorf("server closed %v, client %v; want %v, false", f.last().closed, f.client().closed, tt.ends)
			}
			f.pass(1)
			if f.client().closed == tt.ends || !f.last().closed {
				t.Errorf("when the time is over: client closed %v, server %v", f.client().closed, f.last().closed)
			}
			wantEnd := route.EndDrain
			if tt.ends {
				wantEnd = route.EndDone
			}
			if got := s.record(t).End; got != wantEnd {
				t.Errorf("ends %v; want %v", got, wantEnd)
			}
			s.idle(t)
		})
	}
	t.Run("pair-at-rest", func(t *testing.T) {
		s, f := paired(t)
		maintain(s, f, "ews")
		if !f.client().closed || f.client().how != engine.Flush {
			t.Errorf("a pair at rest: closed %v by %v; want at once", f.client().closed, f.client().how)
		}
	})
	t.Run("nobody's-connection", func(t *testing.T) {
		s := newSite(t)
		single(s, "oab")
		f := s.open(t)
		f.asks()
		maintain(s, f, "oab")
		if !f.last().closed || f.last().how != engine.Flush || f.client().closed {
			t.Errorf("server closed %v by %v, client %v; want the server's alone, and not parked", f.last().closed, f.last().how, f.client().closed)
		}
	})
	t.Run("amid-a-login", func(t *testing.T) {
		s := newSite(t)
		single(s, "ews")
		f := s.open(t)
		f.fromClient(request("/ews", "Authorization: NTLM TlRMTVNTUAABAAAA"))
		f.reply(challenge)
		f.client().take()
		maintain(s, f, "ews")
		f.fromClient(request("/ews", "Authorization: NTLM TlRMTVNTUAADAAAA"))
		f.reply(ok)
		if got := f.client().take(); !strings.Contains(got, closing) {
			t.Errorf("client got %q; want the end of the login, and of the connection", got)
		}
	})
}
