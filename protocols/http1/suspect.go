package http1

import "casbah/route"

// shielded reports whether the request was refused because it looks like an attack
// on Exchange. One that is only to be reported is counted and recorded.
func (c *Conn) shielded() bool {
	x := c.x
	if x.rule = x.vip.Suspect(&x.req, x.rq.Source); x.rule == 0 {
		return false // common case
	}
	x.vip.Counters.Shield[x.rule].Add(1)
	if !x.vip.Shield.Refuse {
		return false
	}
	c.refuse(route.RuleStatus(x.rule), route.CauseShield)
	return true
}
