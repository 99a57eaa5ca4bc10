package node

import (
	"casbah/internal/shield"
	"casbah/profiles"
	"casbah/route"
)

// ShieldStatus is what a VIP does about requests that look like attacks on
// Exchange, and how many there were.
type ShieldStatus struct {
	Refuses bool
	Rules   string // their version
	Hits    map[string]uint64
}

// shieldOf returns the shield of a VIP; nil without.
func shieldOf(conf *profiles.VIP) *route.Shield {
	if conf.Type != "http" && conf.Type != "https" || conf.Shield == "off" {
		return nil
	}
	return &route.Shield{Refuse: conf.Shield == "enforce", Admins: conf.AdminNetworks}
}

// shieldStatus tells of it.
func shieldStatus(v *route.VIP) *ShieldStatus {
	if v.Shield == nil {
		return nil
	}
	s := &ShieldStatus{Refuses: v.Shield.Refuse, Rules: shield.Version, Hits: make(map[string]uint64)}
	for r := shield.None + 1; int(r) < shield.Rules; r++ {
		s.Hits[r.String()] = v.Counters.Shield[r].Load()
	}
	return s
}
