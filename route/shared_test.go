package route

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"casbah/persistence"
)

// S67: the clients of a shared address are spread by every algorithm, source_hash
// too, which goes by who they are then; and the explanation says why.
func TestSharedAddressIsSpread(t *testing.T) {
	for _, algorithm := range []string{"least_conn", "round_robin", "source_hash", "least_time", "random_two"} {
		t.Run(algorithm, func(t *testing.T) {
			s := newSite(t, algorithm, 4, func(c *persistence.Config) {
				c.Crowds, c.SharedAfter = new(persistence.Crowds), 8
			})
			by := make(map[string]int)
			for n := range 400 {
				s.now++
				d := s.decide(request(t, "203.0.113.5", "", fmt.Sprintf("user%d", n)))
				by[d.Server()]++
			}
			for server, n := range by {
				if n < 60 || n > 140 || len(by) != 4 {
					t.Errorf("%s has %d of 400 clients; want all four to have about 100: %v", server, n, by)
				}
			}
			e := s.newest(t)
			if e.Why != "spread" || !strings.HasPrefix(e.Text, "the client's address carries about ") || e.Steps[0].Found != "carries many clients" {
				t.Errorf("explained as %s, %q, address %q", e.Why, e.Text, e.Steps[0].Found)
			}
		})
	}
}

// A shared address that decides nevertheless is told of.
func TestSharedAddressThatDecides(t *testing.T) {
	s := newSite(t, "round_robin", 4, func(c *persistence.Config) {
		c.Crowds, c.SharedNetworks = new(persistence.Crowds), []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	})
	nobody := request(t, "203.0.113.5", "", "")
	s.decide(nobody)
	e := s.profile.Explain(s.now, nobody)
	if e.Why != "bound" || !strings.Contains(strings.Join(e.Notes, " "), "one of shared_networks, and decides nevertheless") {
		t.Errorf("explained as %s, with the notes %q", e.Why, e.Notes)
	}
}
