package profiles

import (
	"slices"
	"strings"
)

// Route has the clients of an ssl_bridge VIP that ask for some names served by a
// pool of their own.
type Route struct {
	// Hosts are the names, in lower case; "*.example.org" is any with one label in
	// front of that, as in a certificate.
	Hosts []string `toml:"hosts"`
	// Pool serves them, by name.
	Pool string `toml:"pool"`
	// Profile is the protocol served, by name; empty: the VIP's.
	Profile string `toml:"profile"`
}

// wildcard is how a name begins that stands for many.
const wildcard = "*."

// Routed returns the VIP as the clients of route i meet it: with the pool of the
// route, its profile and the hosts that it names in full.
func (v *VIP) Routed(i int) *VIP {
	r, routed := &v.Routes[i], *v
	routed.Pool, routed.Hosts, routed.Routes = r.Pool, nil, nil
	if r.Profile != "" {
		routed.Profiles = []string{r.Profile}
	}
	for _, h := range r.Hosts {
		if !strings.HasPrefix(h, wildcard) {
			routed.Hosts = append(routed.Hosts, h)
		}
	}
	return &routed
}

// Served returns the names of the profiles of the VIP, and of its routes.
func (v *VIP) Served() []string {
	all := slices.Clone(v.Profiles)
	for i := range v.Routes {
		if name := v.Routes[i].Profile; name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// uses reports whether the VIP, or a route of it, has that pool.
func (v *VIP) uses(pool string) bool {
	return v.Pool == pool || slices.ContainsFunc(v.Routes, func(r Route) bool { return r.Pool == pool })
}
