package node

import (
	"crypto/tls"
	"maps"
	"sync"
	"time"

	"casbah/balance"
	"casbah/health"
	"casbah/persistence"
	"casbah/profiles"
	"casbah/route"
	"casbah/tlsterm"
)

// serviceKey names a service: one profile of one pool on one server.
type serviceKey struct{ pool, profile, server string }

// endpointKey is all that makes two endpoints the same.
type endpointKey struct {
	pool, server, target string
	upstreamTLS          string
	tls                  string // all that is configured of it
	connectTimeout       time.Duration
	proxyProtocol        string
	transparent          bool
	learned              string // profile whose port the endpoint mapper says; empty: none
}

// live is what outlives a reload: snapshots that mention the same service,
// endpoint or VIP share it. Only build uses it, one at a time.
type live struct {
	servers   balance.Servers
	services  map[serviceKey]*balance.Service
	endpoints map[endpointKey]*balance.Endpoint
	trusts    map[trustKey]*tlsterm.Trust
	vips      []*builtVIP // in force
	mappings  map[mappingKey]*mapping
	counters  map[string]*route.Counters
	decisions *route.Decisions
	table     *persistence.Table
	crowds    *persistence.Crowds
	placed    struct {
		sync.Mutex // guards the field below; status asks, too
		figures    map[string]*persistence.PlacementFigures
	}
	secret persistence.Secret
	guards map[guardKey]*health.Guard

	staples    *tlsterm.Staples  // nil in one that serves nobody
	challenges *route.Challenges // likewise
}

func newLive(table *persistence.Table, secret persistence.Secret) *live {
	return &live{
		services:  make(map[serviceKey]*balance.Service),
		guards:    make(map[guardKey]*health.Guard),
		endpoints: make(map[endpointKey]*balance.Endpoint),
		counters:  make(map[string]*route.Counters),
		decisions: route.NewDecisions(),
		table:     table,
		crowds:    new(persistence.Crowds),
		secret:    secret,
	}
}

// service returns the service of that key, the same one for ever.
func (l *live) service(k serviceKey) *balance.Service {
	s := l.services[k]
	if s == nil {
		s = &balance.Service{Server: l.servers.Get(k.server), Profile: k.profile}
		l.services[k] = s
	}
	return s
}

// keep forgets the services that no plan names: one that a later reload brings
// back is probed before it takes traffic, like a new one.
func (l *live) keep(plans []plan) {
	named, guards := make(map[serviceKey]bool, len(plans)), make(map[*health.Guard]bool)
	for i := range plans {
		named[plans[i].key], guards[plans[i].guard] = true, true
	}
	maps.DeleteFunc(l.services, func(k serviceKey, _ *balance.Service) bool { return !named[k] })
	maps.DeleteFunc(l.guards, func(_ guardKey, g *health.Guard) bool { return !guards[g] })
}

// held returns the certificate in force of a file; nil: there is none.
func (l *live) held(file string) *tls.Certificate {
	for _, v := range l.vips {
		if v.certs == nil {
			continue
		}
		if cert := v.certs.Of(file); cert != nil {
			return cert
		}
	}
	return nil
}

// asking returns what is in force of the certificates of clients, on any VIP; nil:
// nothing by those files.
func (l *live) asking(conf *profiles.VIPTLS) *tlsterm.ClientAuth {
	for _, v := range l.vips {
		if t := &v.conf.TLS; v.asks != nil && t.ClientAuth == conf.ClientAuth && t.ClientCA == conf.ClientCA && t.ClientCRL == conf.ClientCRL {
			return v.asks
		}
	}
	return nil
}

// vipCounters returns the counters of the VIP of that name.
func (l *live) vipCounters(name string) *route.Counters {
	c := l.counters[name]
	if c == nil {
		c = new(route.Counters)
		l.counters[name] = c
	}
	return c
}
