package node

import (
	"slices"
	"time"

	"casbah/balance"
	"casbah/profiles"
	"casbah/route"
)

// PlacesStatus is how many requests and connections a server takes at once, and
// how those fare that come while it is full.
type PlacesStatus struct {
	Limit   int // 0: none; then nobody waits
	Room    int // of the queue
	Timeout time.Duration

	Waiting    int           // in the queue now
	Served     uint64        // that waited and got a place
	Waited     time.Duration // how long these did, all together
	Full, Late uint64        // that found no room in the queue, or no place in time
}

func placesStatus(s *balance.Server) PlacesStatus {
	l, q := s.Limit(), &s.Queue
	return PlacesStatus{
		Limit: l.Max, Room: l.Queue, Timeout: l.Timeout,
		Waiting: s.Waiting(), Served: q.Served.Load(), Waited: time.Duration(q.Nanos.Load()), Full: q.Full.Load(), Late: q.Late.Load(),
	}
}

// limit puts the limits of the servers of conf in force. A server that conf does
// not have any more has none: what is open there goes on.
func (l *live) limit(conf *profiles.Config, before *snapshot) {
	if before != nil {
		for i := range before.config.Servers {
			name := before.config.Servers[i].Name
			if !slices.ContainsFunc(conf.Servers, func(s profiles.Server) bool { return s.Name == name }) {
				l.servers.Get(name).SetLimit(balance.Limit{})
			}
		}
	}
	for i := range conf.Servers {
		s := &conf.Servers[i]
		l.servers.Get(s.Name).SetLimit(balance.Limit{Max: s.MaxConnections, Queue: s.Queue, Timeout: s.QueueTimeout})
	}
}

// profilesOf names the profiles of a pool of which that holds.
func profilesOf(snap *snapshot, pool string, holds func(*route.Profile) bool) []string {
	var names []string
	for _, v := range snap.vips {
		for _, p := range v.route.Profiles {
			if p.Names.Pool == pool && holds(p) && !slices.Contains(names, p.Name) {
				names = append(names, p.Name)
			}
		}
	}
	return names
}
