package profiles

import (
	"slices"
	"time"
)

// The largest limit of a server, and the longest queue for its places.
const (
	mostPlaces = 1_000_000
	mostQueue  = 10_000
)

// places checks how many requests and connections a server takes at once.
func (k *checker) places(p place, s *Server) {
	k.between(p.key("max_connections"), s.MaxConnections, 0, mostPlaces)
	if s.MaxConnections == 0 {
		const why = "max_connections is 0: nobody waits"
		k.leftOut(p.key("queue"), why, s.Queue)
		k.leftOut(p.key("queue_timeout"), why, s.QueueTimeout)
		return
	}
	k.between(p.key("queue"), s.Queue, 0, mostQueue)
	k.lasts(p.key("queue_timeout"), s.QueueTimeout, 100*time.Millisecond, time.Minute)
}

// backups checks which members of a pool take traffic only in place of the others.
func (k *checker) backups(p place, pl *Pool) {
	for i, name := range pl.Backup {
		if !slices.Contains(pl.Servers, name) {
			k.mistake(p.value(i), oneOfNames("server of the pool", name, pl.Servers), name)
			continue
		}
		k.once(p.value(i), i, name, pl.Backup, p.value)
	}
	ordinary := func(name string) bool { return !slices.Contains(pl.Backup, name) }
	if len(pl.Servers) > 0 && !slices.ContainsFunc(pl.Servers, ordinary) {
		k.mistake(p, "at least one server of the pool left out, which is no backup", len(pl.Backup))
	}
}
