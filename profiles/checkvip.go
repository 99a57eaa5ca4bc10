package profiles

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

func (k *checker) vips() {
	all := k.c.VIPs
	at := func(i int) place { return vipPlace(i, &all[i]) }
	if len(all) == 0 {
		k.mistake(place{}.key("vip"), "at least one [[vip]]", nothing)
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	for i := range all {
		k.named(at(i).key("name"), i, names, func(j int) place { return at(j).key("name") })
		k.vip(at(i), &all[i])
		k.group(at(i), i)
	}
	k.listeners()
}

func (k *checker) vip(p place, v *VIP) {
	if v.Type == "" && !k.written(p.key("type")) {
		k.mistake(p.key("type"), oneOf(vipTypes.now), nothing)
	} else {
		k.choose(p.key("type"), vipTypes, v.Type)
	}
	pool := k.poolOf(p.key("pool"), v)
	k.between(p.key("connections"), v.Connections, 0, mostConnections)
	k.choose(p.key("table_full"), tableFull, v.TableFull)
	k.hosts(p.key("hosts"), v.Hosts)
	k.rootRedirect(p.key("root_redirect"), v.RootRedirect)
	k.shield(p, v)
	k.served(p.key("profiles"), v, pool)
	k.vipTLS(p, v)
	k.transparent(p.key("transparent"), v, pool)
	k.relay(p, v, pool)
	k.bridge(p, v, pool)
	k.routes(p, v)
	k.startTLS(p, v, pool)
	k.mapper(p, v, pool)
	k.http2(p, v)
}

// poolOf returns the VIP's pool, or nil.
func (k *checker) poolOf(p place, v *VIP) *Pool {
	known := make([]string, len(k.c.Pools))
	for i := range known {
		known[i] = k.c.Pools[i].Name
	}
	i := slices.Index(known, v.Pool)
	switch {
	case v.Pool == "" && !k.written(p):
		k.mistake(p, oneOfNames("pool", "", known), nothing)
		return nil
	case i < 0:
		k.mistake(p, oneOfNames("pool", v.Pool, known), v.Pool)
		return nil
	default:
		return &k.c.Pools[i]
	}
}

func (k *checker) hosts(p place, hosts []string) {
	for i, h := range hosts {
		if !isServable(h) {
			k.mistake(p.value(i), `a host name such as "mail.example.org", without port or wildcard`, h)
			continue
		}
		k.once(p.value(i), i, h, hosts, p.value)
	}
}

// rootRedirect checks where "/" is sent. Two slashes would name another host.
func (k *checker) rootRedirect(p place, to string) {
	if to == "" {
		return
	}
	const want = `a path such as "/owa/", or a URL with its scheme`
	u, err := url.Parse(to)
	path := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(to, "/") && to != "/"
	full := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }
	if (!path && !full) || strings.HasPrefix(to, "//") || strings.ContainsFunc(to, odd) {
		k.mistake(p, want, to)
	}
}

// group checks that the VIPs of a persistence group have one pool: a binding
// names a server, and must mean the same to all of them.
func (k *checker) group(p place, i int) {
	v := &k.c.VIPs[i]
	if v.Group == "" {
		return
	}
	if !nameForm.MatchString(v.Group) {
		k.mistake(p.key("group"), "letters, digits, dot, dash or underscore, at most 64", v.Group)
		return
	}
	for j := range k.c.VIPs[:i] {
		if o := &k.c.VIPs[j]; o.Group == v.Group && o.Pool != v.Pool {
			k.mistake(p.key("pool"), fmt.Sprintf("%q, the pool of the other VIPs of group %q", o.Pool, v.Group), v.Pool)
			return
		}
	}
}

// listener is one address of the file.
type listener struct {
	addr  netip.AddrPort
	place place
	whose string
	udp   bool // has ports of its own
}

// listeners checks that every address is bound once. The admin listener counts too.
func (k *checker) listeners() {
	var all []listener
	if a, err := netip.ParseAddrPort(strings.Replace(k.c.Admin.Listen, "localhost:", "127.0.0.1:", 1)); err == nil {
		all = append(all, listener{a, place{}.key("admin").key("listen"), "admin", false})
	}
	for i := range k.c.VIPs {
		v := &k.c.VIPs[i]
		p := vipPlace(i, v).key("listen")
		if len(v.Listen) == 0 {
			k.mistake(p, "at least one address and port", nothing)
		}
		for j, a := range v.Listen {
			l := listener{a, p.value(j), "vip " + v.Name, v.Type == "udp"}
			o := slices.IndexFunc(all, func(o listener) bool { return o.udp == l.udp && overlap(o.addr, a) })
			if o >= 0 && a.IsValid() {
				k.mistake(l.place, fmt.Sprintf("an address that nothing else has (%s has %s)", all[o].whose, all[o].addr), a.String())
			}
			all = append(all, l)
		}
	}
}

// overlap reports whether two listeners cannot stand beside each other: the
// same port and address, or any address. Port 0 is a free one every time.
func overlap(a, b netip.AddrPort) bool {
	if a.Port() != b.Port() || a.Port() == 0 {
		return false
	}
	x, y := a.Addr().Unmap(), b.Addr().Unmap()
	switch {
	case x == y:
		return true
	case x.IsUnspecified():
		return x.Is6() || y.Is4() // the IPv6 one takes IPv4 connections too
	case y.IsUnspecified():
		return y.Is6() || x.Is4()
	default:
		return false
	}
}
