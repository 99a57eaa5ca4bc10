package profiles

import "slices"

// Port returns the port on which VIP v reaches, for profile p, the servers of
// its pool that name none; 0 if nothing tells it.
func Port(v *VIP, pl *Pool, p *Profile) int {
	switch {
	case pl.Port != 0:
		return pl.Port
	case p.Protocol == "http" && pl.UpstreamTLS == "on":
		return 443
	case p.Protocol == "http":
		return 80
	}
	if translates(v, pl) {
		for _, n := range p.Ports {
			if TLSPort(n) == (pl.UpstreamTLS == "on") {
				return n
			}
		}
	}
	// What clients speak on a port of the protocol, servers speak there too:
	// POP3 in TLS on 995, and in clear on 110.
	for _, a := range v.Listen {
		if n := int(a.Port()); slices.Contains(p.Ports, n) {
			return n
		}
	}
	if len(p.Ports) > 0 {
		return p.Ports[0]
	}
	return 0
}

// translates reports whether VIP v ends TLS or begins it, so that its servers are
// on the port that the pool's upstream_tls asks for.
func translates(v *VIP, pl *Pool) bool {
	return v.Type == terminated || v.Type == "tcp" && (pl.UpstreamTLS != "off" || v.StartTLS)
}
