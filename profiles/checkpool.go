package profiles

import (
	"net/netip"
	"slices"
	"time"

	"casbah/internal/pki"
)

// mostWeight is the largest weight of a server.
const mostWeight = 1000

func (k *checker) servers() {
	all := k.c.Servers
	at := func(i int) place { return serverPlace(i, &all[i]) }
	names, addresses := make([]string, len(all)), make([]string, len(all))
	for i := range all {
		names[i], addresses[i] = all[i].Name, all[i].Address
	}
	for i := range all {
		k.named(at(i).key("name"), i, names, func(j int) place { return at(j).key("name") })
		k.between(at(i).key("weight"), all[i].Weight, 1, mostWeight)
		k.address(at(i), i, addresses)
		k.ownID(at(i).key("id"), &all[i])
		k.places(at(i), &all[i])
		k.fqdn(at(i).key("fqdn"), all[i].FQDN)
		if !slices.ContainsFunc(k.c.Pools, func(p Pool) bool { return slices.Contains(p.Servers, names[i]) }) {
			k.note(at(i), "no pool has this server")
		}
	}
}

func (k *checker) address(p place, i int, all []string) {
	p = p.key("address")
	switch _, _, ok := splitHost(all[i]); {
	case all[i] == "" && !k.written(p):
		k.mistake(p, "a host name or address", nothing)
	case !ok:
		k.mistake(p, `a host name or address, with or without a port, such as "192.0.2.11"`, all[i])
	case slices.Contains(all[:i], all[i]):
		k.note(p, "another server has the same address")
	}
}

func (k *checker) pools() {
	all := k.c.Pools
	at := func(i int) place { return poolPlace(i, &all[i]) }
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	for i := range all {
		k.named(at(i).key("name"), i, names, func(j int) place { return at(j).key("name") })
		k.pool(at(i), &all[i])
		if !slices.ContainsFunc(k.c.VIPs, func(v VIP) bool { return v.uses(names[i]) }) {
			k.note(at(i), "no VIP uses this pool")
		}
	}
}

func (k *checker) pool(p place, pl *Pool) {
	k.members(p.key("servers"), pl.Servers)
	k.backups(p.key("backup"), pl)
	k.choose(p.key("algorithm"), algorithms, pl.Algorithm)
	k.lastsOrOff(p.key("slow_start"), pl.SlowStart, time.Second, time.Hour)
	k.lasts(p.key("connect_timeout"), pl.ConnectTimeout, 10*time.Millisecond, time.Minute)
	k.between(p.key("port"), pl.Port, 0, 65535)
	k.between(p.key("panic_below"), pl.PanicBelow, 0, 100)
	k.placement(p.key("placement"), pl)
	if k.choose(p.key("proxy_protocol"), proxyProtocols, pl.ProxyProtocol) && pl.ProxyProtocol != "off" {
		k.note(p.key("proxy_protocol"), "the servers must expect a PROXY header; Exchange reads none, and takes it for a broken request")
	}
	if !k.choose(p.key("upstream_tls"), upstreamTLS, pl.UpstreamTLS) {
		return
	}
	if pl.UpstreamTLS == "off" {
		k.leftOut(p.key("tls"), `upstream_tls is "off"`, words("[pool.tls]"))
		return
	}
	k.upstream(p.key("tls"), pl)
}

func (k *checker) members(p place, servers []string) {
	known := make([]string, len(k.c.Servers))
	for i := range known {
		known[i] = k.c.Servers[i].Name
	}
	switch n := len(servers); {
	case n == 0 && !k.written(p):
		k.mistake(p, oneOfNames("server", "", known), nothing)
	case n == 0 || n > MaxServers:
		k.between(p, n, 1, MaxServers)
	}
	for i, s := range servers {
		if !slices.Contains(known, s) {
			k.mistake(p.value(i), oneOfNames("server", s, known), s)
			continue
		}
		k.once(p.value(i), i, s, servers, p.value)
	}
}

// upstream checks TLS towards the servers.
func (k *checker) upstream(p place, pl *Pool) {
	t := &pl.TLS
	k.versions(p, spoken{t.Policy, t.MinVersion, t.MaxVersion, t.Ciphers}, "servers")
	if t.ServerName != "" && !isHostname(t.ServerName) {
		k.mistake(p.key("server_name"), "a host name", t.ServerName)
	}
	if t.CA != "" {
		k.authorities(p.key("ca"), t.CA)
	}
	k.pins(p, t)
	if t.ClientCert != "" || t.ClientKey != "" || t.ClientPassphraseFile != "" {
		k.pair([3]place{p.key("client_cert"), p.key("client_key"), p.key("client_passphrase_file")},
			pki.Files{Cert: t.ClientCert, Key: t.ClientKey, Passphrase: t.ClientPassphraseFile})
	}
	k.verified(p, pl)
	if !t.Verify {
		k.note(p.key("verify"), "the servers' certificates are not checked: whoever stands between reads the passwords")
	}
}

// pins checks the certificates that are trusted by themselves.
func (k *checker) pins(p place, t *PoolTLS) {
	if len(t.Pin) == 0 {
		return
	}
	for i, text := range t.Pin {
		if _, ok := parsePin(text); !ok {
			k.mistake(p.key("pin").value(i), "the SHA-256 of a certificate, 64 hexadecimal digits (openssl x509 -noout -fingerprint -sha256)", text)
		}
	}
	k.leftOut(p.key("ca"), "pin says whom to trust", t.CA)
	if !t.Verify {
		k.mistake(p.key("verify"), "this key left out (pin says whom to trust)", t.Verify)
	}
}

// verified notes servers that are known by an address alone: their certificates
// would have to name it, and few do.
func (k *checker) verified(p place, pl *Pool) {
	if !pl.TLS.Verify || pl.TLS.ServerName != "" || len(pl.TLS.Pin) > 0 {
		return
	}
	for i := range k.c.Servers {
		s := &k.c.Servers[i]
		host, _ := s.HostPort()
		if _, err := netip.ParseAddr(host); err == nil && slices.Contains(pl.Servers, s.Name) {
			k.note(p.key("server_name"), "not set: the certificate of server %q must name its address %s", s.Name, host)
		}
	}
}
