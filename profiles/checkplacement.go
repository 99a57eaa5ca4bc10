package profiles

import (
	"slices"
	"strings"
)

// What a pool does about where mailboxes are.
const (
	PlacementOff     = "off"
	PlacementObserve = "observe"
	PlacementPrefer  = "prefer"
)

var placements = choice{now: []string{PlacementOff, PlacementObserve, PlacementPrefer}}

// placement checks what a pool does about where mailboxes are.
func (k *checker) placement(p place, pl *Pool) {
	if !k.choose(p, placements, pl.Placement) || pl.Placement == PlacementOff {
		return
	}
	if !slices.ContainsFunc(k.c.VIPs, func(v VIP) bool { return v.uses(pl.Name) && (v.Type == "http" || v.Type == "https") }) {
		k.note(p, "answers of HTTP tell where mailboxes are, and no VIP of type http or https uses the pool")
	}
	known := make(map[string]string) // server by what answers call it
	for _, name := range pl.Servers {
		i := slices.IndexFunc(k.c.Servers, func(s Server) bool { return s.Name == name })
		if i < 0 {
			continue // told of by members
		}
		host := answersCall(&k.c.Servers[i])
		if other := known[host]; other != "" && other != name {
			k.note(p, "answers that name %q cannot tell server %q from %q: give them the key fqdn", host, other, name)
		}
		known[host] = name
	}
}

// answersCall returns the short name that an Exchange server would give itself in its
// answers, in lower case.
func answersCall(s *Server) string {
	name := s.FQDN
	if name == "" {
		name = s.Name
	}
	host, _, _ := strings.Cut(strings.ToLower(name), ".")
	return host
}
