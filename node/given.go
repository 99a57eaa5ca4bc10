package node

import (
	"net/netip"

	"casbah/balance"
	"casbah/profiles"
	"casbah/protocols/msrpc"
	"casbah/protocols/relay"
)

// given is what clients of a mapper are told at one address of it.
type given struct {
	listen netip.AddrPort // as configured
	iface  string
	vip    string
	port   uint16
}

// givenBy returns what the clients of v are told; opened are the listeners that are
// about to be served.
func (n *Node) givenBy(conf *profiles.Config, v *builtVIP, opened []*socket) []given {
	var all []given
	for _, listen := range v.conf.Listen {
		for _, g := range conf.Given(v.conf, listen) {
			port := n.chosen(g.VIP.Name, g.VIP.Listen[g.Listen], opened)
			all = append(all, given{listen, g.Interface, g.VIP.Name, port})
		}
	}
	return all
}

// chosen returns the port of a listener.
func (n *Node) chosen(vip string, conf netip.AddrPort, opened []*socket) uint16 {
	for _, s := range opened {
		if s.vip == vip && s.conf == conf {
			return s.net.Addr().Port()
		}
	}
	if e := n.entries[vip]; e != nil && e.sockets[conf] != nil {
		return e.sockets[conf].net.Addr().Port()
	}
	return conf.Port()
}

// mapper returns what becomes of the answers of the mappers behind v.
func (n *Node) mapper(v *builtVIP, mappings map[mappingKey]*mapping) *relay.Mapper {
	m := &relay.Mapper{Counters: &v.route.Counters.Mapper}
	for _, listen := range v.conf.Listen {
		at := relay.Given{Addr: listen.Addr().Unmap()}
		for _, g := range v.given {
			if g.listen != listen {
				continue
			}
			s := syntaxes([]string{g.iface})[0]
			r := msrpc.Route{UUID: s.UUID, Major: s.Major, Protocol: msrpc.TCP, Port: g.port}
			if !at.Addr.IsUnspecified() {
				r.Addr = at.Addr
			}
			at.Table = append(at.Table, r)
		}
		m.Given = append(m.Given, at)
	}
	servers := make(map[balance.ServerID]*mapping)
	for i := range v.route.Profiles[0].Candidates {
		e := v.route.Profiles[0].Candidates[i].Endpoint
		servers[e.Server] = mappings[mappingKey{v.conf.Pool, e.Name}]
	}
	m.Told = func(server balance.ServerID, iface msrpc.Syntax, port uint16) {
		if s := servers[server]; s != nil && s.differs(iface, port) {
			n.learnSoon(s)
		}
	}
	return m
}
