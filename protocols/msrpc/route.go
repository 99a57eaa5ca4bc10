package msrpc

import (
	"encoding/binary"
	"net/netip"
)

// Route says where clients find an interface.
type Route struct {
	UUID     UUID   // of the interface
	Major    uint16 // its major version; any minor one
	Protocol Protocol
	Port     uint16
	Addr     netip.Addr // IPv4; the zero Addr leaves the address as it is
}

// Table are routes. The first that fits a tower counts.
type Table []Route

// find returns the route for t; nil if there is none.
func (tb Table) find(t *Tower) *Route {
	for i := range tb {
		r := &tb[i]
		if r.UUID == t.Interface.UUID && r.Major == t.Interface.Major && r.Protocol == t.Protocol {
			return r
		}
	}
	return nil
}

// rewrite puts the port of t's route into tower, and its address where both have
// one, and reports whether there is a route. A tower with port 0 names no
// endpoint and is left.
func (tb Table) rewrite(tower []byte, t *Tower) bool {
	if t.portAt == 0 || t.Port == 0 {
		return false
	}
	r := tb.find(t)
	if r == nil {
		return false
	}
	binary.BigEndian.PutUint16(tower[t.portAt:], r.Port)
	if t.addrAt != 0 && r.Addr.Is4() {
		ip := r.Addr.As4()
		copy(tower[t.addrAt:], ip[:])
	}
	return true
}
