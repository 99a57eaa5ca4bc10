package route

import "casbah/balance"

// nothing is the order where there is no service.
var nothing = new(balance.Order)

// Order returns what is ordered of the service that serves the request; nothing
// before there is one.
func (d *Decision) Order() *balance.Order {
	if s := d.Service(); s != nil {
		return s.Order()
	}
	return nothing
}

// Service returns the service that serves the request; nil before there is one.
func (d *Decision) Service() *balance.Service {
	if d.Profile == nil || d.chosen < 0 || d.Endpoint == nil {
		return nil
	}
	return d.service()
}

// finishes reports whether the chosen candidate serves a connection that is pinned
// to it: under a firm drain the core ends the connection between requests, and in
// maintenance as well, but not amid a handshake, which is one login to the client.
func (d *Decision) finishes() bool {
	st := d.service().State()
	return d.pinned && (st == balance.Drain || d.amid && st == balance.Maintenance)
}
