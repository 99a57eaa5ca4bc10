package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"casbah/route"
)

// choose returns the VIP that a question is about, and in words how it was found:
// the one that is named, else the one that the URL fits best, of several the
// first.
func (s *snapshot) choose(a *asked, name string) (v *builtVIP, by string, err error) {
	var all []string
	var best fit
	alike := 0
	for _, c := range s.vips {
		all = append(all, c.conf.Name+" ("+c.conf.Type+")")
		if name != "" && c.conf.Name != name || c.relays() != a.relayed() || (c.conf.Type == "udp") != (a.scheme == "udp") {
			continue
		}
		switch f := c.fits(a); {
		case v == nil || f.score > best.score:
			v, best, alike = c, f, 1
		case f.score == best.score:
			alike++
		}
	}
	switch {
	case v == nil && name != "":
		return nil, "", errQuestion("vip", "the name of a VIP that takes %s (there are %s), got %q", a.kind(), strings.Join(all, ", "), name)
	case v == nil:
		return nil, "", errQuestion("url", "what a VIP takes (there are %s), got %s", strings.Join(all, ", "), a.kind())
	case name != "":
		return v, "it is named", nil
	}
	by = "the first of the file"
	if len(best.words) > 0 {
		by = "it fits " + strings.Join(best.words, ", ")
	}
	if a.scheme != "" && a.scheme != v.conf.Type {
		by += ", although it is of type " + v.conf.Type
	}
	if alike > 1 {
		by += fmt.Sprintf("; the first of %d that do", alike)
	}
	return v, by, nil
}

// kind says what is asked about.
func (a *asked) kind() string {
	switch {
	case a.scheme == "udp":
		return "UDP flows"
	case a.relayed():
		return "TCP connections"
	default:
		return "HTTP requests"
	}
}

// relays reports whether the VIP takes connections or flows, not requests.
func (v *builtVIP) relays() bool { return v.conf.Type != "http" && v.conf.Type != "https" }

// fit is how well a URL fits a VIP.
type fit struct {
	score int
	words []string // what fits
}

func (f *fit) add(score int, fits bool, word string) {
	if fits {
		f.score += score
		f.words = append(f.words, word)
	}
}

// fits compares the VIP with a URL: what comes first weighs more than all that
// follows.
func (v *builtVIP) fits(a *asked) fit {
	var f fit
	f.add(8, a.scheme == v.conf.Type, "the scheme")
	f.add(4, v.answersTo(a), "the host")
	f.add(2, slices.ContainsFunc(v.listens(), a.calls), "the port")
	if v.conf.Type == "ssl_bridge" && a.name() != "" && v.answersTo(a) {
		f.score += 16 // no other VIP that relays goes by a name
	}
	if !a.relayed() {
		anyHost := *v.route
		anyHost.Hosts = nil
		_, verdict := anyHost.Match(nil, []byte(a.path()))
		f.add(1, verdict == route.Found, "the path")
	}
	return f
}

// answersTo reports whether the host of the URL is one of the VIP, or its address.
func (v *builtVIP) answersTo(a *asked) bool {
	if a.addr.IsValid() {
		return slices.ContainsFunc(v.listens(), func(l netip.AddrPort) bool { return l.Addr().Unmap() == a.addr })
	}
	name := a.name()
	return name != "" && v.route.Named([]byte(name)) != nil
}

// calls reports whether a client of the URL may call that listener.
func (a *asked) calls(l netip.AddrPort) bool {
	return a.port == l.Port() && (!a.addr.IsValid() || l.Addr().IsUnspecified() || l.Addr().Unmap() == a.addr)
}
