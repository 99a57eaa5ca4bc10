package node

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// SharedStatus is a client address that many clients share.
type SharedStatus struct {
	Address     string // an address, or a network where the chain masks it
	Scope       string // whose bindings: VIP, or group, and pool
	Profiles    []string
	Clients     int // an estimate
	Since       time.Time
	By          string // counted or shared_networks
	Balanceable bool   // its clients can be told apart
}

// sharedAddresses returns the addresses that are shared at now, by the chains in
// force; those that carry most clients first.
func sharedAddresses(snap *snapshot, now time.Time) []SharedStatus {
	var all []SharedStatus
	index := make(map[[2]string]int) // address and scope
	for _, v := range snap.vips {
		for _, p := range v.route.Profiles {
			for _, a := range p.Chain.Shared(now.UnixNano()) {
				key := [2]string{addressText(a.Address), a.Scope}
				i, ok := index[key]
				if !ok {
					i = len(all)
					index[key] = i
					all = append(all, SharedStatus{
						Address: key[0], Scope: a.Scope, Clients: a.Clients, Since: a.Since, By: a.By.String(), Balanceable: a.Balanceable,
					})
				}
				addName(&all[i].Profiles, p.Name)
				all[i].Balanceable = all[i].Balanceable && a.Balanceable
			}
		}
	}
	slices.SortStableFunc(all, func(a, b SharedStatus) int {
		return cmp.Or(b.Clients-a.Clients, cmp.Compare(a.Address, b.Address))
	})
	return all
}

// addressText writes a network; one of a single address as that.
func addressText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
