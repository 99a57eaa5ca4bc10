package node

import (
	"casbah/persistence"
	"casbah/profiles"
)

// PlacementStatus says what is known of where the mailboxes of a pool are.
type PlacementStatus struct {
	Mode      string // observe or prefer
	Told      uint64 // see persistence.PlacementFigures
	Crossed   uint64
	Unknown   uint64
	Preferred uint64
}

// placement returns what the pool knows of where mailboxes are, the same for all
// profiles; nil if nobody asks.
func (b *builder) placement(pool *profiles.Pool) *persistence.Placement {
	if pool.Placement == profiles.PlacementOff {
		return nil
	}
	if p := b.placements[pool.Name]; p != nil {
		return p
	}
	conf := persistence.PlacementConfig{
		Pool: pool.Name, Prefers: pool.Placement == profiles.PlacementPrefer,
		Table: b.table, Secret: b.secret, Figures: b.placementFigures(pool.Name),
	}
	for _, name := range pool.Servers {
		conf.Servers = append(conf.Servers, persistence.PlacementServer{
			ID: b.live.servers.Get(name).ID, Name: name, FQDN: b.servers[name].FQDN,
		})
	}
	p := persistence.NewPlacement(conf)
	if b.placements == nil {
		b.placements = make(map[string]*persistence.Placement)
	}
	b.placements[pool.Name] = p
	return p
}

// placementFigures returns the figures of the pool of that name, the same for ever.
func (l *live) placementFigures(pool string) *persistence.PlacementFigures {
	l.placed.Lock()
	defer l.placed.Unlock()
	f := l.placed.figures[pool]
	if f == nil {
		f = new(persistence.PlacementFigures)
		if l.placed.figures == nil {
			l.placed.figures = make(map[string]*persistence.PlacementFigures)
		}
		l.placed.figures[pool] = f
	}
	return f
}

// placementStatus tells of the pool; nil if nobody asks where mailboxes are.
func (n *Node) placementStatus(pool *profiles.Pool) *PlacementStatus {
	if pool.Placement == profiles.PlacementOff {
		return nil
	}
	f := n.live.placementFigures(pool.Name)
	return &PlacementStatus{
		Mode: pool.Placement, Told: f.Told.Load(), Crossed: f.Crossed.Load(), Unknown: f.Unknown.Load(), Preferred: f.Preferred.Load(),
	}
}

// placementLabels are those of what is known of where mailboxes are, for listings:
// of each profile on a pool that asks.
func placementLabels(snap *snapshot) []label {
	asks := make(map[string]bool)
	for i := range snap.config.Pools {
		p := &snap.config.Pools[i]
		asks[p.Name] = p.Placement != profiles.PlacementOff
	}
	var labels []label
	for _, v := range snap.vips {
		for _, p := range v.route.Profiles {
			if pool := p.Names.Pool; asks[pool] {
				l := persistence.Label{Mark: persistence.PlacementMark, Scope: "pool " + pool, Step: persistence.PlacementStep}
				labels = append(labels, label{l, v.conf.Name, p.Name})
			}
		}
	}
	return labels
}
