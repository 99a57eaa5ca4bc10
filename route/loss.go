package route

import (
	"casbah/balance"
	"casbah/persistence"
)

// Loss is why the server that a client is bound to does not serve it; a closed
// list, and one of it for each rebind.
type Loss uint8

// The losses.
const (
	NoLoss          Loss = iota
	LostDown             // the server is down
	LostMaintenance      // in maintenance
	LostDrain            // it drains, and this client is not to be kept meanwhile
	LostLeft             // it left the pool
	LostUnreached        // it could not be reached for this request
	losses
)

// String returns the loss's word.
func (l Loss) String() string {
	return [...]string{"", "down", "maintenance", "drain", "left", "unreached"}[l]
}

// rebounds are the words of the access record for a rebind.
var rebounds = [losses]string{
	"rebound_down", "rebound_down", "rebound_maintenance", "rebound_drain", "rebound_left", "rebound_unreached",
}

// lose notes why the client's server does not serve it: that of the first step
// which is bound to one that is gone. Where the request is held, or an address
// leads it to another server, it is the first that tells who the client is.
func (d *Decision) lose() {
	for i := range d.Walk.Readings[:d.Walk.N] {
		rd := &d.Walk.Readings[i]
		if rd.Use != persistence.Vanished || d.Walk.Held && !d.holds(rd) || d.Walk.Server != 0 && !d.identifies(rd) {
			continue
		}
		d.lossAt, d.loss = int8(i), d.lossOf(rd.Server)
		return
	}
}

// holds reports whether rd is a binding that keeps its client from other servers.
func (d *Decision) holds(rd *persistence.Reading) bool {
	return d.identifies(rd) && d.Profile.index(rd.Server) >= 0
}

// identifies reports whether rd is of a confirmed identity.
func (d *Decision) identifies(rd *persistence.Reading) bool {
	return rd.Confirmed && d.Profile.Chain.Identity(int(rd.Step))
}

// lossOf says why the group cannot be served by the server.
func (d *Decision) lossOf(id balance.ServerID) Loss {
	lead, i := d.Profile, d.Profile.index(id)
	if i >= 0 && lead.Lead != nil {
		lead = lead.Lead
		i = lead.index(id)
	}
	switch {
	case i < 0:
		return LostLeft
	case lead == d.Profile && d.tried.Has(i):
		return LostUnreached
	default:
		return lossIn(lead.Candidates[i].Service.State())
	}
}

// lossHere says why the profile is served elsewhere than on the server of its group.
func (d *Decision) lossHere(id balance.ServerID) Loss {
	switch i := d.Profile.index(id); {
	case i < 0:
		return LostLeft
	case d.tried.Has(i):
		return LostUnreached
	default:
		return lossIn(d.Profile.Candidates[i].Service.State())
	}
}

// lossIn returns the loss of a service in that state. One that is up again since
// it was passed over was down.
func lossIn(st balance.State) Loss {
	switch st {
	case balance.Maintenance:
		return LostMaintenance
	case balance.Drain:
		return LostDrain
	default:
		return LostDown
	}
}
