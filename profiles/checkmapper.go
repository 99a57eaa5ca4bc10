package profiles

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// interfaces checks those of a profile.
func (k *checker) interfaces(p place, pr *Profile) {
	if pr.Protocol != "tcp" {
		k.leftOut(p, "the profile is of protocol "+pr.Protocol, "interfaces")
		return
	}
	for i, name := range pr.Interfaces {
		if _, ok := ParseInterface(name); !ok {
			k.mistake(p.value(i), `emsmdb, nspi, rfr, or a UUID and version such as "12345778-1234-abcd-ef00-0123456789ab/0.0"`, name)
			continue
		}
		k.once(p.value(i), i, name, pr.Interfaces, p.value)
	}
	if kind := pr.Probe.Kind; len(pr.Interfaces) == 0 && (kind == probeEPM || kind == probeRPC) {
		k.mistake(p, "at least one interface, for the probe of kind "+kind, nothing)
	}
}

// mapper checks what becomes of the answers of the servers' endpoint mappers.
func (k *checker) mapper(p place, v *VIP, pool *Pool) {
	at := p.key("mapper")
	switch {
	case !v.Maps():
		k.leftOut(at, "the VIP does not have the profile "+mapperProfile, "mapper")
		return
	case !k.choose(at, mapperModes, v.Mapper) || pool == nil:
		return
	case v.Rewrites() && v.Type != "tcp":
		k.mistake(at, strconv.Quote(mapperPass)+", as the VIP is of type "+v.Type+": what it says is read on a VIP of type tcp alone", v.Mapper)
		return
	}
	for i := range k.c.VIPs {
		k.togetherWith(p, v, &k.c.VIPs[i], pool)
	}
	if v.Rewrites() {
		k.given(at, v)
	}
}

// togetherWith checks a mapper against a VIP that it sends clients to.
func (k *checker) togetherWith(p place, v, o *VIP, pool *Pool) {
	if o.Pool != v.Pool {
		return
	}
	for _, name := range o.Profiles {
		pr := k.c.Profiles[name]
		if pr == nil || !o.gives(pr) {
			continue
		}
		if Scope(o, pr) != Scope(v, k.c.Profiles[mapperProfile]) {
			k.note(p.key("profiles"), "a client of VIP %q may be on another server than its mapper: they share no persistence group", o.Name)
		}
		if v.Rewrites() {
			continue
		}
		port := Port(o, pool, pr)
		listens := slices.ContainsFunc(o.Listen, func(a netip.AddrPort) bool { return int(a.Port()) == port || a.Port() == 0 })
		if port != 0 && !listens && k.withoutPort(pool) {
			k.note(p.key("mapper"), "clients are told the port of the servers, %d, where VIP %q does not listen", port, o.Name)
		}
	}
}

// given checks that a mapper that rewrites has what to give, at each of its
// addresses.
func (k *checker) given(at place, v *VIP) {
	for _, a := range v.Listen {
		var names []string
		for _, g := range k.c.Given(v, a) {
			names = append(names, g.Interface)
		}
		if len(names) == 0 {
			k.mistake(at, fmt.Sprintf("%q, or a VIP of pool %q that listens on %s with a profile of RPC, such as rpc_client_access", mapperPass, v.Pool, a.Addr()), v.Mapper)
			return
		}
		var missing []string
		for _, name := range k.c.Profiles[mapperProfile].Interfaces {
			if !slices.Contains(names, name) {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			k.note(at, "clients that call %s are told of %s what the servers say: no VIP of pool %q serves it there", a.Addr(), strings.Join(missing, ", "), v.Pool)
		}
	}
}
