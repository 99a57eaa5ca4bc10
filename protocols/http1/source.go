package http1

import (
	"bytes"
	"net/netip"
	"slices"

	"casbah/route"
)

// source finds out who the client is: the peer or, behind trusted proxies, the
// rightmost address that none of them has. What stands left of it is the
// client's own claim.
func (x *exchange) source(remote, local netip.Addr, secure bool) {
	peer := remote.Unmap()
	x.rq = route.Request{Source: peer, Dest: local.Unmap(), Head: &x.req, Secure: secure}
	x.trusted = len(x.vip.TrustedProxies) > 0 && x.vip.Trusts(peer)
	if !x.trusted || !x.listed {
		return
	}
	for i, f := range slices.Backward(x.req.Fields) {
		if x.kinds[i] != forwardedFor {
			continue
		}
		for rest := f.Value; rest != nil; {
			var last []byte
			last, rest = cutLast(rest)
			a, ok := forwardedAddr(last)
			if !ok {
				return
			}
			if x.rq.Source = a; !x.vip.Trusts(a) {
				return
			}
		}
	}
}

// cutLast takes the last element off a comma list; rest is nil at the end.
func cutLast(list []byte) (last, rest []byte) {
	if i := bytes.LastIndexByte(list, ','); i >= 0 {
		return bytes.Trim(list[i+1:], " \t"), list[:i]
	}
	return bytes.Trim(list, " \t"), nil
}

// forwardedAddr reads an address as proxies write it: with or without a port,
// IPv6 with or without brackets.
func forwardedAddr(b []byte) (netip.Addr, bool) {
	if a, ok := ipv4(b); ok {
		return a, true
	}
	if ap, err := netip.ParseAddrPort(string(b)); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if len(b) > 2 && b[0] == '[' && b[len(b)-1] == ']' {
		b = b[1 : len(b)-1]
	}
	a, err := netip.ParseAddr(string(b))
	return a.Unmap().WithZone(""), err == nil
}

// ipv4 reads the common case without allocating.
func ipv4(b []byte) (netip.Addr, bool) {
	var a [4]byte
	part, digits, n := 0, 0, 0
	for _, ch := range b {
		switch {
		case '0' <= ch && ch <= '9' && digits < 3 && (digits == 0 || n > 0):
			n = n*10 + int(ch-'0')
			digits++
		case ch == '.' && part < 3 && digits > 0 && n < 256:
			a[part] = byte(n)
			part, digits, n = part+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if part != 3 || digits == 0 || n > 255 {
		return netip.Addr{}, false
	}
	a[3] = byte(n)
	return netip.AddrFrom4(a), true
}
