package route

import (
	"fmt"
	"testing"
	"time"

	"casbah/balance"
)

// S98: a server that drains goes on serving those who are bound to it, by whatever
// key, and nobody else comes to it. S27: in maintenance nobody does.
func TestDrainTakesNobodyNew(t *testing.T) {
	for _, algorithm := range balance.Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			s := newSite(t, algorithm, 3, nil)
			at := make(map[string]string) // by address
			for n := range 30 {
				addr := fmt.Sprintf("192.0.2.%d", n+1)
				d := s.decide(request(t, addr, fmt.Sprintf("session%d", n), ""))
				at[addr] = d.Server()
			}
			s.set(0, balance.Drain)
			kept := 0
			for n := range 30 {
				addr, session := fmt.Sprintf("192.0.2.%d", n+1), fmt.Sprintf("session%d", n)
				for _, r := range []*Request{request(t, addr, session, ""), request(t, "", session, ""), request(t, addr, "", "")} {
					if d := s.decide(r); d.Server() != at[addr] || d.Why() != "bound" {
						t.Errorf("%s goes to %s (%s) while cas1 drains; want %s", addr, d.Server(), d.Why(), at[addr])
					}
				}
				if at[addr] == "cas1" {
					kept++
				}
				if d := s.decide(request(t, fmt.Sprintf("198.51.100.%d", n+1), fmt.Sprintf("new%d", n), "")); d.Server() == "cas1" {
					t.Errorf("new client %d comes to cas1, which drains (%s)", n, d.Why())
				}
			}
			if kept == 0 {
				t.Error("nobody was bound to cas1")
			}
			s.set(0, balance.Maintenance)
			for addr, server := range at {
				if d := s.decide(request(t, addr, "", "")); d.Server() == "cas1" || server == "cas1" && d.Why() != "rebound_maintenance" {
					t.Errorf("%s goes to %s (%s) with cas1 in maintenance", addr, d.Server(), d.Why())
				}
			}
		})
	}
}

// S98, S26: under a firm drain those who are bound to the server go elsewhere, once,
// and are told why; a connection that is pinned to it may still be served, so that
// it ends between requests. When the order ends, nobody moves back.
func TestFirmDrainMovesThoseWhoAreBound(t *testing.T) {
	for _, algorithm := range balance.Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			s := newSite(t, algorithm, 3, nil)
			service := s.profile.Candidates[0].Service
			at := make(map[string]string) // by address
			for n := range 30 {
				addr := fmt.Sprintf("192.0.2.%d", n+1)
				d := s.decide(request(t, addr, "", ""))
				at[addr] = d.Server()
			}
			service.SetOrder(time.Unix(0, s.now), balance.Order{Kind: balance.OrderFirm})
			moved := 0
			for addr, server := range at {
				d := s.decide(request(t, addr, "", ""))
				switch {
				case server != "cas1" && (d.Server() != server || d.Why() != "bound"):
					t.Errorf("%s of %s goes to %s (%s)", addr, server, d.Server(), d.Why())
				case server == "cas1" && (d.Server() == "cas1" || d.Why() != "rebound_drain"):
					t.Errorf("%s of cas1 goes to %s (%s); want elsewhere, rebound_drain", addr, d.Server(), d.Why())
				case server == "cas1":
					moved++
				}
				at[addr] = d.Server()
			}
			if moved == 0 {
				t.Error("nobody was bound to cas1")
			}
			var d Decision
			r := request(t, "192.0.2.1", "", "")
			if e := s.profile.Candidates[0].Endpoint; !s.profile.Stay(s.now, r, e, false, &d) || d.Endpoint != e {
				t.Error("a connection that is pinned to cas1 is not served any more")
			}
			d.Release(s.now)
			service.SetOrder(time.Unix(0, s.now), balance.Order{Kind: balance.OrderMaintenance})
			for _, amid := range []bool{false, true} {
				if got := s.profile.Stay(s.now, r, s.profile.Candidates[0].Endpoint, amid, &d); got != amid {
					t.Errorf("in maintenance, amid a login %v: served %v", amid, got)
				}
				d.Release(s.now)
			}
			service.SetOrder(time.Unix(0, s.now), balance.Order{})
			for addr, server := range at {
				if d := s.decide(request(t, addr, "", "")); d.Server() != server || d.Why() != "bound" {
					t.Errorf("ready again: %s of %s goes to %s (%s)", addr, server, d.Server(), d.Why())
				}
			}
		})
	}
}
