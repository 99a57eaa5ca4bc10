package http1

import "casbah/route"

// record counts the open exchange and hands its access record to the log.
func (c *Conn) record(end route.End) {
	x := c.x
	r := &x.rec
	*r = route.Record{
		VIP:      x.vip.Name,
		Client:   c.remote,
		Source:   x.rq.Source,
		Method:   x.req.Method,
		Host:     x.req.Host,
		Path:     x.req.Path,
		Status:   x.status,
		In:       x.in,
		Out:      x.out,
		Begin:    x.began,
		First:    x.first,
		Finish:   c.now,
		End:      end,
		Pinned:   x.pinned || x.up != nil && x.up.pinned(),
		Attempts: x.attempts,
	}
	if !r.Source.IsValid() {
		r.Source = c.remote.Addr().Unmap()
	}
	if x.profile != nil {
		r.Profile = x.profile.Name
	}
	if x.decided {
		r.Server, r.Step, r.Why = x.d.Server(), x.d.Step(), x.d.Why()
	}
	x.vip.Count(r)
}
