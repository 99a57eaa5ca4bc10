package profiles

import "strconv"

// bridge is the type of a VIP that passes TLS on without decrypting it.
const bridge = "ssl_bridge"

// bridge checks such a VIP: of what passes it reads the hellos alone.
func (k *checker) bridge(p place, v *VIP, pool *Pool) {
	if v.Type != bridge {
		return
	}
	for _, key := range []string{"root_redirect", "trusted_proxies"} {
		k.leftOut(p.key(key), "the VIP is of type "+bridge, key)
	}
	if len(v.Profiles) > 1 {
		k.mistake(p.key("profiles"), "one profile: nothing that a VIP of type "+bridge+" looks at tells two apart", len(v.Profiles))
	}
	for i, name := range v.Profiles {
		pr := k.c.Profiles[name]
		switch {
		case pr == nil:
		case pr.Protocol == "tcp":
			k.relayed(p, p.key("profiles").value(i), v, pool, pr)
		case pr.Protocol == "http":
			k.probedByTLS(p.key("pool"), pool)
		}
	}
}

// probedByTLS checks that the servers of a profile of HTTP are probed as clients
// speak with them.
func (k *checker) probedByTLS(p place, pool *Pool) {
	if pool == nil || pool.UpstreamTLS == "on" {
		return
	}
	k.mistake(p, `a pool with upstream_tls = "on", as clients of a VIP of type `+bridge+` speak TLS with the servers, and probes must`,
		words(strconv.Quote(pool.Name)+` with upstream_tls = `+strconv.Quote(pool.UpstreamTLS)))
}
