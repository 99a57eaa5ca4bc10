package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// smtp is the profile that a relay cannot carry yet; see sender.
const smtp = "smtp"

// relay checks a VIP that passes octets on without reading them.
func (k *checker) relay(p place, v *VIP, pool *Pool) {
	if v.Type != "tcp" {
		return
	}
	for _, key := range []string{"hosts", "root_redirect", "trusted_proxies"} {
		k.leftOut(p.key(key), "the VIP is of type tcp", key)
	}
	if len(v.Profiles) > 1 {
		k.mistake(p.key("profiles"), "one profile: nothing that a VIP of type tcp looks at tells two apart", len(v.Profiles))
	}
	if pool != nil && pool.UpstreamTLS == "on" {
		k.mistake(p.key("pool"), `a pool with upstream_tls = "off", as a VIP of type tcp passes on what clients say, in TLS or not`,
			words(strconv.Quote(pool.Name)+` with upstream_tls = "on"`))
	}
	for i, name := range v.Profiles {
		if pr := k.c.Profiles[name]; pr != nil && pr.Protocol == "tcp" {
			k.relayed(p, p.key("profiles").value(i), v, pool, pr)
		}
	}
}

// relayed checks a profile that a VIP relays; at is where the VIP names it.
func (k *checker) relayed(p, at place, v *VIP, pool *Pool, pr *Profile) {
	k.sender(at, pr)
	k.listenPorts(p.key("listen"), v, pool, pr)
	if kind := pr.Probe.Kind; slices.Contains(probeKinds.later, kind) {
		k.note(at, "profile %s: its probe %s is %s, a TCP connection is probed instead", pr.Name, kind, notInThis)
	}
	if pool == nil {
		return
	}
	port := Port(v, pool, pr)
	if port == 0 && k.withoutPort(pool) {
		k.mistake(profilePlace(pr.Name).key("ports"), fmt.Sprintf("at least one port, or the port of pool %q", pool.Name), nothing)
	}
	k.accountSafe(pool, pr, port)
	if n, ok := clearPorts[pr.Name]; ok && k.reaches(pool, port, n) {
		k.note(at, "profile %s: the servers are reached in clear on port %d, where Exchange refuses a login (SecureLogin) unless the client begins TLS by itself",
			pr.Name, n)
	}
}

// clearPorts are the ports without TLS of the profiles whose servers refuse a
// login in clear.
var clearPorts = map[string]int{"imap4": 143, "pop3": 110}

// sender refuses smtp. A server judges by its address who sends mail, and
// behind a relay all senders have casbah's, which is one of the inside.
func (k *checker) sender(at place, pr *Profile) {
	if pr.Name == smtp {
		k.mistake(at, "another profile, as behind a relay every sender of mail looks internal to the servers; accept_snat, which allows that, is "+notInThis, pr.Name)
	}
}

// listenPorts checks that the ports of a VIP mean one port of the servers.
func (k *checker) listenPorts(p place, v *VIP, pool *Pool, pr *Profile) {
	if pool == nil || pool.Port != 0 || !k.withoutPort(pool) {
		return
	}
	port := Port(v, pool, pr)
	for i, a := range v.Listen {
		if n := int(a.Port()); n != port && slices.Contains(pr.Ports, n) {
			k.mistake(p.value(i), fmt.Sprintf("no second port of the servers behind it, which are reached on port %d (%d is a port of %s as well: use a VIP for each, or set the port of pool %q)",
				port, n, pr.Name, pool.Name), a.String())
			return
		}
	}
}

// withoutPort reports whether a server of the pool names no port.
func (k *checker) withoutPort(pool *Pool) bool { return k.reaches(pool, 0, 0) }

// reaches reports whether a server of the pool is reached on port n, where those
// that name none are reached on port other.
func (k *checker) reaches(pool *Pool, other, n int) bool {
	return k.reachesAny(pool, other, func(port int) bool { return port == n })
}

// reachesAny is reaches for the ports that fit.
func (k *checker) reachesAny(pool *Pool, other int, fits func(port int) bool) bool {
	return slices.ContainsFunc(k.c.Servers, func(s Server) bool {
		_, port := s.HostPort()
		return slices.Contains(pool.Servers, s.Name) && fits(cmp.Or(port, other))
	})
}
