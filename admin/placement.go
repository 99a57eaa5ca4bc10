package admin

import (
	"casbah/health/page"
	"casbah/node"
)

// Placement is what is known of where the mailboxes of a pool are, in Status.
type Placement struct {
	Mode      string `json:"mode"`      // observe or prefer
	Told      uint64 `json:"told"`      // answers that named the server of the mailbox
	Crossed   uint64 `json:"crossed"`   // of them, those in which it is another than the one that took the request
	Unknown   uint64 `json:"unknown"`   // of them, those in which it is no server of the pool
	Preferred uint64 `json:"preferred"` // clients that nothing bound and that were given the server of their mailbox
}

func placementOf(p *node.PlacementStatus) *Placement {
	if p == nil {
		return nil
	}
	placement := Placement(*p)
	return &placement
}

func placementView(p *node.PlacementStatus) *page.Placement {
	if p == nil {
		return nil
	}
	return &page.Placement{Prefers: p.Mode == "prefer", Told: p.Told, Crossed: p.Crossed, Unknown: p.Unknown}
}

// The metrics of where mailboxes are.
var (
	metricPlaces     = gauge("placements", "What the table holds, beside bindings, of where mailboxes are.")
	metricPlacedTold = counter("placement_told_total", "Answers that named the server that holds the mailbox.", "pool")
	metricCrossed    = counter("placement_crossed_total", "Of them, those in which that is another than the one that took the request.", "pool")
	metricUnknown    = counter("placement_unknown_total", "Of them, those in which it is no server of the pool.", "pool")
	metricPreferred  = counter("placement_preferred_total", "Clients that nothing bound and that were given the server of their mailbox.", "pool")
)

// placement emits them of one pool.
func (e emitter) placement(p *node.PoolStatus) {
	if s := p.Placement; s != nil {
		e.put(metricPlacedTold, float64(s.Told), p.Name)
		e.put(metricCrossed, float64(s.Crossed), p.Name)
		e.put(metricUnknown, float64(s.Unknown), p.Name)
		e.put(metricPreferred, float64(s.Preferred), p.Name)
	}
}
