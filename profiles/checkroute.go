package profiles

import (
	"fmt"
	"slices"
	"strings"
)

// routes checks which names of a VIP have pools of their own.
func (k *checker) routes(p place, v *VIP) {
	all := p.key("route")
	if v.Type != bridge {
		if vipTypes.known(v.Type) {
			k.leftOut(all, "a VIP of type "+bridge+" alone has routes, and this one is of type "+v.Type, words("[[vip.route]]"))
		}
		return
	}
	seen := make(map[string]place) // where a name stands
	for i, h := range v.Hosts {
		seen[h] = p.key("hosts").value(i)
	}
	for i := range v.Routes {
		at := all.item(i, "")
		k.routeHosts(at.key("hosts"), v.Routes[i].Hosts, seen)
		k.route(p, at, v, i)
	}
}

// routeHosts checks the names of a route; seen are those that stand before them.
func (k *checker) routeHosts(p place, hosts []string, seen map[string]place) {
	const example = `such as "mail.example.org" or "*.example.org"`
	if len(hosts) == 0 {
		k.mistake(p, "at least one host name, "+example, nothing)
	}
	for i, h := range hosts {
		at := p.value(i)
		name, wild := strings.CutPrefix(h, wildcard)
		switch first, again := seen[h]; {
		case !isServable(name) || wild && !isHostname(name):
			k.mistake(at, "a host name, "+example+", without port", h)
		case again:
			k.mistake(at, fmt.Sprintf("one that is not used yet (line %d has it)", k.at.find(first.path).Line), h)
		default:
			seen[h] = at
		}
	}
}

// route checks the pool and the profile of route i of the VIP at p.
func (k *checker) route(p, at place, v *VIP, i int) {
	r := v.Routed(i)
	pool := k.poolOf(at.key("pool"), r)
	own := v.Routes[i].Profile
	if own != "" && !slices.Contains(v.Profiles, own) {
		k.served(at.key("profile"), r, pool)
	}
	if pool == nil || len(r.Profiles) != 1 {
		return
	}
	if v.Transparent {
		k.sameFamily(p.key("transparent"), r, pool)
	}
	says := at.key("profile")
	if own == "" {
		says = at.key("pool")
	}
	switch pr := k.c.Profiles[r.Profiles[0]]; {
	case pr == nil:
	case pr.Protocol == "tcp" && pool.UpstreamTLS == startedTLS:
		k.wordless(at.key("pool"), pool)
	case pr.Protocol == "tcp":
		k.relayed(p, says, r, pool, pr)
	case pr.Protocol == "http":
		k.probedByTLS(at.key("pool"), pool)
	}
}
