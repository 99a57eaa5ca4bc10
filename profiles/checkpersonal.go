package profiles

import (
	"fmt"
	"net/netip"
	"slices"
)

// personal checks a profile whose connections to servers are each of one client.
func (k *checker) personal(v *VIP, pr *Profile, pool *Pool) {
	if pr.Reuse != "anonymous" {
		return
	}
	at := profilePlace(pr.Name).key("reuse")
	switch {
	case v.Transparent:
		k.mistake(at, fmt.Sprintf(`"never", as each connection of VIP %q comes from its client's address (transparent)`, v.Name), pr.Reuse)
	case pool != nil && pool.ProxyProtocol != "off" && proxyProtocols.has(pool.ProxyProtocol):
		k.mistake(at, fmt.Sprintf(`"never", as each connection of pool %q names its client (proxy_protocol)`, pool.Name), pr.Reuse)
	}
}

// transparent checks a VIP whose connections to servers come from the addresses of
// the clients: they must be of the servers' family. Whether the host permits it
// is known where casbah runs.
func (k *checker) transparent(p place, v *VIP, pool *Pool) {
	if !v.Transparent {
		return
	}
	k.note(p, "casbah needs the capability CAP_NET_RAW or CAP_NET_ADMIN, and the servers must be routed to answer by way of casbah (docs/OPERATIONS.md)")
	if pool != nil {
		k.sameFamily(p, v, pool)
	}
}

// sameFamily checks that the servers of a transparent VIP can be reached from the
// addresses of its clients.
func (k *checker) sameFamily(p place, v *VIP, pool *Pool) {
	if len(v.AcceptProxyFrom) > 0 { // a header may name any client
		return
	}
	var four, six bool // clients come from there
	for _, a := range v.Listen {
		four = four || a.Addr().Unmap().Is4() || a.Addr().IsUnspecified()
		six = six || a.Addr().Unmap().Is6()
	}
	for i := range k.c.Servers {
		s := &k.c.Servers[i]
		host, _ := s.HostPort()
		addr, err := netip.ParseAddr(host)
		if err != nil || !slices.Contains(pool.Servers, s.Name) { // what a name stands for is known later
			continue
		}
		if addr.Is4() && !four || addr.Is6() && !six {
			k.mistake(p, fmt.Sprintf("false, or an address to listen at of the family of server %q (%s): clients reach it from their own", s.Name, addr), true)
		}
	}
}
