package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// smtp is the profile whose servers judge by the address of the sender; see
// sender.
const smtp = "smtp"

// terminated is the type of a VIP that relays what is within its clients' TLS.
const terminated = "tls"

// relayTypes are the protocols of the VIPs that pass octets or datagrams on, by
// type.
var relayTypes = map[string]string{"tcp": "tcp", terminated: "tcp", "udp": "udp"}

// relay checks a VIP that passes octets or datagrams on without reading them.
func (k *checker) relay(p place, v *VIP, pool *Pool) {
	protocol := relayTypes[v.Type]
	if v.AcceptSNAT && !slices.Contains(v.Served(), smtp) {
		k.note(p.key("accept_snat"), "has no effect: the VIP does not have the profile smtp")
	}
	if protocol == "" {
		return
	}
	for _, key := range []string{"hosts", "root_redirect", "trusted_proxies"} {
		k.leftOut(p.key(key), "the VIP is of type "+v.Type, key)
	}
	if v.Type == "udp" {
		k.leftOut(p.key("accept_proxy_from"), "the VIP is of type udp, and casbah reads PROXY headers from connections alone", "accept_proxy_from")
	}
	if len(v.Profiles) > 1 {
		k.mistake(p.key("profiles"), "one profile: nothing that a VIP of type "+v.Type+" looks at tells two apart", len(v.Profiles))
	}
	if pool != nil && v.Type == "udp" && pool.UpstreamTLS == "on" { // starttls: see startTLS
		k.mistake(p.key("pool"), `a pool with upstream_tls = "off", as a VIP of type udp passes on what clients say`,
			words(strconv.Quote(pool.Name)+` with upstream_tls = "on"`))
	}
	for i, name := range v.Profiles {
		if pr := k.c.Profiles[name]; pr != nil && pr.Protocol == protocol {
			k.relayed(p, p.key("profiles").value(i), v, pool, pr)
		}
	}
}

// relayed checks a profile that a VIP relays; at is where the VIP names it.
func (k *checker) relayed(p, at place, v *VIP, pool *Pool, pr *Profile) {
	k.sender(at, v, pool, pr)
	k.listenPorts(p.key("listen"), v, pool, pr)
	if pool == nil {
		return
	}
	port := Port(v, pool, pr)
	if port == 0 && !k.c.Learns(v, pr) && k.withoutPort(pool) {
		k.mistake(profilePlace(pr.Name).key("ports"), fmt.Sprintf("at least one port, or the port of pool %q", pool.Name), nothing)
	}
	if pr.Protocol == "udp" && pr.Probe.Kind == "tcp" {
		k.note(at, "profile %s: its probe is a TCP connection to the port of the datagrams: a server that does not listen there, too, is taken for down (kind = \"none\" asks nothing)", pr.Name)
	}
	k.accountSafe(pool, pr, port)
	k.secureLogin(at, v, pool, pr, port)
}

// secureLogin notes servers that are going to refuse logins, and TLS within TLS.
func (k *checker) secureLogin(at place, v *VIP, pool *Pool, pr *Profile, port int) {
	if pool.UpstreamTLS != "off" {
		for _, a := range v.Listen {
			if n := int(a.Port()); v.Type == "tcp" && TLSPort(n) && slices.Contains(pr.Ports, n) {
				k.note(at, "profile %s: clients begin with TLS on port %d, which casbah would pass on within the TLS of pool %q; a VIP of type tls ends theirs", pr.Name, n, pool.Name)
			}
		}
		return
	}
	n, ok := clearPorts[pr.Name]
	if !ok || !k.reaches(pool, port, n) {
		return
	}
	unless := "unless the client begins TLS by itself"
	if v.EndsTLS() {
		unless = `unless their LoginType is PlainTextLogin, or the pool has upstream_tls = "on" or "starttls"`
	}
	k.note(at, "profile %s: the servers are reached in clear on port %d, where Exchange refuses a login (SecureLogin) %s", pr.Name, n, unless)
}

// clearPorts are the ports without TLS of the profiles whose servers refuse a
// login in clear.
var clearPorts = map[string]int{"imap4": 143, "pop3": 110}

// sender refuses smtp where nobody has said that it may be. A server judges by its
// address who sends mail, and behind a relay all senders have casbah's, which is
// one of the inside, unless a header tells theirs or connections come from them.
func (k *checker) sender(at place, v *VIP, pool *Pool, pr *Profile) {
	if pr.Name != smtp || v.AcceptSNAT || v.Transparent || pool != nil && pool.ProxyProtocol != "off" {
		return
	}
	k.mistake(at, "another profile, as behind a relay every sender of mail looks internal to the servers; or transparent = true; or accept_snat = true, where they relay for nobody by address", pr.Name)
}

// listenPorts checks that the ports of a VIP mean one port of the servers.
func (k *checker) listenPorts(p place, v *VIP, pool *Pool, pr *Profile) {
	if pool == nil || pool.Port != 0 || k.c.Learns(v, pr) || !k.withoutPort(pool) || translates(v, pool) {
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
