package route

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/internal/httphead"
	"casbah/persistence"
)

// housed is a site of three servers that hold mailboxes, and whose pool wants clients
// there.
func housed(tb testing.TB, prefers bool) (*site, *persistence.PlacementFigures) {
	tb.Helper()
	figures := new(persistence.PlacementFigures)
	s := newSite(tb, "round_robin", 3, func(cfg *persistence.Config) {
		conf := persistence.PlacementConfig{Pool: "cas", Prefers: prefers, Table: cfg.Table, Figures: figures}
		for _, m := range cfg.Members {
			conf.Servers = append(conf.Servers, persistence.PlacementServer{ID: m.ID, Name: m.Name})
		}
		cfg.Placement = persistence.NewPlacement(conf)
	})
	return s, figures
}

// mail is a request for the mailbox of alice, from an address.
func mail(tb testing.TB, addr string) *Request {
	tb.Helper()
	r := &Request{Source: netip.MustParseAddr(addr), Head: new(httphead.Request)}
	if err := r.Head.Parse([]byte("POST /mapi/ HTTP/1.1\r\nHost: h\r\nX-AnchorMailbox: alice\r\n\r\n")); err != nil {
		tb.Fatal(err)
	}
	return r
}

// tell has such a request be answered by a server that says it is on cas3.
func (s *site) tell(tb testing.TB, addr string) Decision {
	tb.Helper()
	var resp httphead.Response
	if err := resp.Parse([]byte("HTTP/1.1 200 OK\r\nX-BEServer: cas3\r\n\r\n")); err != nil {
		tb.Fatal(err)
	}
	var d Decision
	s.profile.Decide(s.now, mail(tb, addr), &d)
	if d.Outcome != Chosen || !d.Commit(s.now) {
		return d
	}
	d.Answer(s.now, time.Millisecond, &resp, nil)
	told := d
	d.Release(s.now)
	return told
}

// A client that nothing binds is given the server of its mailbox, and says why; one
// that is bound stays.
func TestMailboxChoosesForWhoIsNotBound(t *testing.T) {
	s, figures := housed(t, true)
	first := s.tell(t, "192.0.2.1")
	if first.Server() != "cas1" || first.Why() != "fresh" {
		t.Fatalf("the first goes to %s (%s)", first.Server(), first.Why())
	}
	if d := s.tell(t, "192.0.2.1"); d.Server() != "cas1" || d.Why() != "bound" {
		t.Errorf("a bound client goes to %s (%s); want cas1, bound", d.Server(), d.Why())
	}
	for _, addr := range []string{"192.0.2.2", "192.0.2.3"} {
		e := s.profile.Explain(s.now, mail(t, addr))
		if e.Server != "cas3" || e.Why != "placed" || !strings.Contains(e.Text, "cas3 holds the mailbox") {
			t.Errorf("explained: %s (%s): %s", e.Server, e.Why, e.Text)
		}
		if d := s.tell(t, addr); d.Server() != "cas3" || d.Why() != "placed" || d.Step() != "" {
			t.Errorf("from %s to %s (%s by %q); want cas3, placed", addr, d.Server(), d.Why(), d.Step())
		}
	}
	if n := figures.Preferred.Load(); n != 2 {
		t.Errorf("%d clients were brought home; want 2: explanations count nothing", n)
	}
}

// The server of the mailbox is no better than another one where it is down, drains, is
// in maintenance, has been tried in vain or is full: then the algorithm chooses.
func TestMailboxGivesWay(t *testing.T) {
	for name, spoil := range map[string]func(s *site, d *Decision){
		"down":        func(s *site, _ *Decision) { s.set(2, balance.Down) },
		"drain":       func(s *site, _ *Decision) { s.set(2, balance.Drain) },
		"maintenance": func(s *site, _ *Decision) { s.set(2, balance.Maintenance) },
		"tried":       func(_ *site, d *Decision) { d.tried = 1 << 2 },
	} {
		t.Run(name, func(t *testing.T) {
			s, figures := housed(t, true)
			s.tell(t, "192.0.2.1")
			var d Decision
			spoil(s, &d)
			s.profile.Decide(s.now, mail(t, "192.0.2.2"), &d)
			if d.Outcome != Chosen || d.Server() == "cas3" || d.Why() != "fresh" || figures.Preferred.Load() != 0 {
				t.Errorf("outcome %d, to %s (%s)", d.Outcome, d.Server(), d.Why())
			}
		})
	}
}

// A client whose server is gone is given that of its mailbox, and its record says why
// it lost the other one.
func TestMailboxChoosesForARebind(t *testing.T) {
	s, figures := housed(t, true)
	s.tell(t, "192.0.2.1") // on cas1
	s.set(0, balance.Down)
	if d := s.tell(t, "192.0.2.1"); d.Server() != "cas3" || d.Why() != "rebound_down" {
		t.Errorf("to %s (%s); want cas3, rebound_down", d.Server(), d.Why())
	}
	if n := figures.Preferred.Load(); n != 1 {
		t.Errorf("%d clients were brought home; want 1", n)
	}
}

// What is only observed chooses for nobody.
func TestObservedMailboxChoosesForNobody(t *testing.T) {
	s, figures := housed(t, false)
	for i, want := range []string{"cas1", "cas2", "cas3", "cas1"} {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}).String()
		if d := s.tell(t, addr); d.Server() != want || d.Why() != "fresh" {
			t.Errorf("client %d goes to %s (%s); want %s in turn", i, d.Server(), d.Why(), want)
		}
	}
	if told, crossed := figures.Told.Load(), figures.Crossed.Load(); told != 4 || crossed != 3 {
		t.Errorf("%d told, %d crossed; want 4, 3", told, crossed)
	}
}

// A channel of RPC over HTTP that is brought home is one client.
func TestChannelIsBroughtHomeOnce(t *testing.T) {
	s, figures := housed(t, true)
	s.tell(t, "192.0.2.1")
	var d Decision
	r := mail(t, "192.0.2.2")
	r.Virtual = [16]byte{1}
	if s.profile.DecideChannel(s.now, r, &d); d.Server() != "cas3" || !d.Commit(s.now) {
		t.Fatalf("to %s (%s); want cas3", d.Server(), d.Why())
	}
	d.Release(s.now)
	if n := figures.Preferred.Load(); n != 1 {
		t.Errorf("%d clients were brought home; want 1", n)
	}
}
