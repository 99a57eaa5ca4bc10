package http1

import (
	"sync"
	"time"

	"casbah/route"
)

// records holds access records, each for a call.
var records = sync.Pool{New: func() any { return new(route.Record) }}

// record counts the open exchange and hands its access record to those who
// want it.
func (c *Conn) record(end route.End) {
	x := c.x
	x.vip.Count(route.Finished{Profile: x.profile, Status: x.status, Wait: time.Duration(x.first - x.began), HTTP2: c.stream, End: end, In: x.in, Out: x.out})
	cookieless, clash, set := false, "", false
	if x.decided {
		clash, set = x.profile.Chain.Clash(&x.d.Walk)
		cookieless = c.watchCookie()
	}
	if x.vip.Log == nil && clash == "" {
		return
	}
	r := records.Get().(*route.Record)
	*r = route.Record{
		VIP:        x.vip.Name,
		Client:     c.remote,
		Source:     x.rq.Source,
		Method:     x.req.Method,
		Host:       x.req.Host,
		Path:       x.req.Path,
		Status:     x.status,
		In:         x.in,
		Out:        x.out,
		Begin:      x.began,
		First:      x.first,
		Finish:     c.now,
		End:        end,
		Pinned:     x.pinned || x.up != nil && x.up.pinned(),
		Attempts:   x.attempts,
		Cookieless: cookieless,
		HTTP2:      c.stream,
		Split:      x.channel != nil && x.channel.split,
		Clash:      clash,
		ClashSet:   set,
	}
	if x.vip.Users && x.up != nil {
		r.User = x.up.carried.text()
	}
	if !r.Source.IsValid() {
		r.Source = c.remote.Addr().Unmap()
	}
	if x.rule != 0 {
		r.Shield = x.rule.String()
	}
	if x.profile != nil {
		r.Profile = x.profile.Name
	}
	if x.decided {
		r.Server, r.Step, r.Why = x.d.Server(), x.d.Step(), x.d.Why()
		r.Waited = int64(x.d.Waited(c.now))
	}
	x.vip.Tell(r)
	records.Put(r)
}

// watchCookie reports whether the client does not store what casbah gives it: it
// was given a cookie before, on this connection, and comes without it.
func (c *Conn) watchCookie() bool {
	name, missing := c.x.profile.Chain.Issued(&c.x.d.Walk)
	if name == "" {
		return false
	}
	cookieless := missing && name == c.issued
	if cookieless && !c.cookieless {
		c.cookieless = true
		c.x.vip.Counters.Cookieless.Add(1)
	}
	c.issued = name
	return cookieless
}
