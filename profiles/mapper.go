package profiles

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The modes of a VIP of the endpoint mapper.
const (
	mapperPass    = "pass"
	mapperRewrite = "rewrite"
)

// mapperProfile is the profile whose servers tell where interfaces listen.
const mapperProfile = "rpc_endpoint_mapper"

// Interface is an interface of RPC in one version.
type Interface struct {
	UUID         string // in lower case
	Major, Minor uint16
}

// exchangeInterfaces are those with a name: the mailbox ([MS-OXCRPC], Section
// 1.9), the address book ([MS-OXNSPI], Section 1.9) and the referral to it
// ([MS-OXABREF], Section 1.9).
var exchangeInterfaces = map[string]Interface{
	"emsmdb": {"a4f1db00-ca47-1067-b31f-00dd010662da", 0, 81},
	"nspi":   {"f5cc5a18-4264-101a-8c59-08002b2f8426", 56, 0},
	"rfr":    {"1544f5e0-613c-11d1-93df-00c04fd7bd09", 1, 0},
}

// interfaceForm is an interface without a name: its UUID and version.
var interfaceForm = regexp.MustCompile(`^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/([0-9]{1,5})\.([0-9]{1,5})$`)

// ParseInterface reads an interface as it stands in a file: emsmdb, nspi, rfr, or
// UUID/MAJOR.MINOR.
func ParseInterface(s string) (Interface, bool) {
	if known, ok := exchangeInterfaces[s]; ok {
		return known, true
	}
	m := interfaceForm.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return Interface{}, false
	}
	major, err := strconv.ParseUint(m[2], 10, 16)
	minor, err2 := strconv.ParseUint(m[3], 10, 16)
	return Interface{m[1], uint16(major), uint16(minor)}, err == nil && err2 == nil
}

// Rewrites reports whether casbah puts ports of its own into what the endpoint
// mappers behind v say.
func (v *VIP) Rewrites() bool { return v.Mapper == mapperRewrite }

// Maps reports whether v is one of the endpoint mapper.
func (v *VIP) Maps() bool { return slices.Contains(v.Profiles, mapperProfile) }

// gives reports whether clients can be sent to p on v, for an interface of it.
func (v *VIP) gives(p *Profile) bool {
	return v.Type == "tcp" && p.Protocol == "tcp" && p.Name != mapperProfile && len(p.Interfaces) > 0
}

// Learns reports whether the port of p's servers behind v is what their endpoint
// mappers say: of an interface of RPC, on a pool with a mapper that rewrites.
func (s *Site) Learns(v *VIP, p *Profile) bool {
	return v.gives(p) && slices.ContainsFunc(s.VIPs, func(o VIP) bool { return o.Pool == v.Pool && o.Rewrites() })
}

// Given is what clients of a mapper are told of one interface.
type Given struct {
	Interface string // as the profile has it
	VIP       *VIP   // that serves it
	Listen    int    // which of its addresses
}

// Given returns what clients are told that ask the mapper of v at the address
// listen: for each interface the first VIP on the same pool that serves it there.
func (s *Site) Given(v *VIP, listen netip.AddrPort) []Given {
	var all []Given
	for i := range s.VIPs {
		o := &s.VIPs[i]
		at := slices.IndexFunc(o.Listen, func(a netip.AddrPort) bool { return reachable(a.Addr(), listen.Addr()) })
		if o.Pool != v.Pool || at < 0 {
			continue
		}
		for _, name := range o.Profiles {
			p := s.Profiles[name]
			if p == nil || !o.gives(p) {
				continue
			}
			for _, iface := range p.Interfaces {
				if !slices.ContainsFunc(all, func(g Given) bool { return g.Interface == iface }) {
					all = append(all, Given{iface, o, at})
				}
			}
		}
	}
	return all
}

// reachable reports whether who has called an address finds a listener of a at the
// same one.
func reachable(a, called netip.Addr) bool {
	a, called = a.Unmap(), called.Unmap()
	return a == called || a.IsUnspecified() && (a.Is6() || called.Is4())
}
