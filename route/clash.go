package route

import "sync/atomic"

// Clashes are how often a VIP met cookies that have the name of one of casbah's
// own, which somebody else made.
type Clashes struct {
	Set     atomic.Uint64 // by a server's Set-Cookie
	Brought atomic.Uint64 // in requests, with a value that casbah did not make for this place
	told    atomic.Int64  // when somebody was told last, Unix nanoseconds
}

func (c *Clashes) count(r *Record) {
	if r.ClashSet {
		c.Set.Add(1)
		return
	}
	c.Brought.Add(1)
}

// tellEvery is how often clashes of one VIP are told of at most, in nanoseconds.
const tellEvery = 60e9

// Due reports whether somebody is to be told of r: once a minute at most.
func (c *Clashes) Due(r *Record) bool {
	last := c.told.Load()
	return (last == 0 || r.Finish-last >= tellEvery) && c.told.CompareAndSwap(last, r.Finish)
}
