package route

import (
	"fmt"
	"testing"

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
