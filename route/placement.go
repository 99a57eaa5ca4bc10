package route

import "casbah/balance"

// home returns the candidate that holds the client's mailbox, where the pool wants
// clients there and it is one of those that may be chosen; else -1. It is asked only
// for a client that nothing binds: a binding is never moved for it.
func (d *Decision) home(among balance.Eligible) int {
	if d.aside {
		return -1
	}
	if id := d.Profile.Chain.Home(&d.Walk); id != 0 {
		if i := d.Profile.index(id); i >= 0 && among.Has(i) {
			d.housed = true
			return i
		}
	}
	return -1
}
