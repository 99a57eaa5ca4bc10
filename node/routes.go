package node

import (
	"fmt"
	"slices"

	"casbah/profiles"
	"casbah/route"
)

// routes has the clients of v that ask for some names served by other pools. Each
// pool has a profile of its own, with its services and its bindings; routes to
// one pool share it.
func (b *builder) routes(v *builtVIP) error {
	for i := range v.conf.Routes {
		r := v.conf.Routed(i)
		rules := b.conf.Profiles[r.Profiles[0]]
		p := v.serving(r.Pool, rules.Name)
		if p == nil {
			var err error
			if p, err = b.profile(r, rules); err != nil {
				return fmt.Errorf("route %d: profile %s: %w", i+1, rules.Name, err)
			}
			v.add(p, rules)
		}
		if v.route.Routes == nil {
			v.route.Routes = make(map[string]*route.Profile)
		}
		for _, host := range v.conf.Routes[i].Hosts {
			v.route.Routes[host] = p
		}
	}
	return nil
}

// serving returns the profile of that name on that pool, or nil.
func (v *builtVIP) serving(pool, name string) *route.Profile {
	i := slices.IndexFunc(v.route.Profiles, func(p *route.Profile) bool { return p.Names.Pool == pool && p.Name == name })
	if i < 0 {
		return nil
	}
	return v.route.Profiles[i]
}

// RouteStatus is what clients of a VIP get that ask for some names.
type RouteStatus struct {
	Hosts         []string
	Pool, Profile string
	Up            bool // the profile has a service that takes traffic
}

func routesStatus(conf *profiles.VIP, v *route.VIP) []RouteStatus {
	var all []RouteStatus
	for i := range conf.Routes {
		r := &conf.Routes[i]
		p := v.Routes[r.Hosts[0]]
		all = append(all, RouteStatus{Hosts: r.Hosts, Pool: r.Pool, Profile: p.Name, Up: p.Up()})
	}
	return all
}
