package node

import (
	"slices"

	"casbah/balance"
	"casbah/health"
)

// mappingKey names a mapping.
type mappingKey struct{ pool, server string }

// mappings makes the mappings of the pools with a mapper that rewrites, and tells
// the probes what they need of it.
func (b *builder) mappings() {
	b.out.mappings = make(map[mappingKey]*mapping)
	for _, v := range b.out.vips {
		if v.conf.Rewrites() {
			b.mapped(v)
		}
	}
	for i := range b.out.plans {
		p := &b.out.plans[i]
		if p.endpoint.Learned {
			p.mapping = b.out.mappings[mappingKey{p.key.pool, p.key.server}]
		}
		if p.probe.Kind == "epm" {
			p.wants = b.wants(p)
		}
	}
}

// mapped makes the mappings of the servers behind v.
func (b *builder) mapped(v *builtVIP) {
	for i := range v.route.Profiles[0].Candidates {
		e := v.route.Profiles[0].Candidates[i].Endpoint
		key := mappingKey{v.conf.Pool, e.Name}
		if b.out.mappings[key] != nil {
			continue
		}
		m := &mapping{server: e.Name, mapper: e}
		for _, o := range b.out.vips {
			m.add(b, v, o, i)
		}
		switch old := b.live.mappings[key]; {
		case old == nil:
		case old.same(m):
			m = old
		default:
			m.inherit(old)
		}
		b.out.mappings[key] = m
	}
}

// add has m learn the ports of the profiles of o on the i-th server of the pool.
func (m *mapping) add(b *builder, v, o *builtVIP, i int) {
	for _, p := range o.route.Profiles {
		if p.Names.Pool != v.conf.Pool {
			continue
		}
		e := p.Candidates[i].Endpoint
		known := slices.ContainsFunc(m.lessons, func(l lesson) bool { return l.endpoint == e })
		if !e.Learned || known {
			continue
		}
		names := b.conf.Profiles[p.Name].Interfaces
		m.lessons = append(m.lessons, lesson{p.Name, names, e})
		m.ask = append(m.ask, syntaxes(names)...)
	}
}

// wants returns what the probe of an endpoint mapper has to find: the interfaces
// of its profile, each at the port where casbah reaches it on the same pool.
func (b *builder) wants(p *plan) []health.Registered {
	names := b.conf.Profiles[p.key.profile].Interfaces
	all := make([]health.Registered, 0, len(names))
	for i, syntax := range syntaxes(names) {
		all = append(all, health.Registered{Interface: syntax, Name: names[i], Port: b.staticPort(p, names[i])})
	}
	return all
}

// staticPort returns the port at which casbah reaches an interface on the pool and
// the server of p; 0 where it does not, or learns the port.
func (b *builder) staticPort(p *plan, iface string) uint16 {
	for _, v := range b.out.vips {
		if v.conf.Maps() {
			continue
		}
		for _, o := range v.route.Profiles {
			if o.Names.Pool != p.key.pool {
				continue
			}
			i := slices.IndexFunc(o.Candidates, func(c balance.Candidate) bool { return c.Endpoint.Name == p.key.server })
			if !slices.Contains(b.conf.Profiles[o.Name].Interfaces, iface) || i < 0 || o.Candidates[i].Endpoint.Learned {
				continue
			}
			if port, err := portOf(o.Candidates[i].Endpoint.Target); err == nil {
				return port
			}
		}
	}
	return 0
}
