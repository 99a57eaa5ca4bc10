package http1

import (
	"casbah/balance"
	"casbah/engine"
	"casbah/route"
)

// upstream is one connection to a server. It belongs to this client connection
// alone.
//
// The identity firewall: before the first request that carries an identity is
// sent on a connection, and when a server offers to take one, the connection is
// pinned to the profile. From then on it serves that profile of this client and
// nothing else, is never parked and never replaced: when it ends, the client
// connection ends.
type upstream struct {
	endpoint *balance.Endpoint
	service  *balance.Service // that was asked on it last, and that it is pinned to; nil: none yet
	next     *upstream        // behind it in the list of pinned ones
	idle     int64            // since when nothing is asked on it
	leg      engine.Leg
	ready    bool // dialled
	pin      bool // it is pinned to the profile of its service
	used     bool // a request was sent on it before: it may be dead
	parks    bool // every request on it allowed that another client goes on with it
	amid     bool // its client is about to log on: the last answer was a step of that
	full     bool // the server does not take more for now
	held     bool // reading from it is held
	carried  identity
}

// pinned reports whether the connection carries an identity.
func (u *upstream) pinned() bool { return u.pin }

// parkable reports whether another client may go on with the connection.
func (u *upstream) parkable() bool { return u.parks && u.ready && !u.pinned() && !u.leaving() }

// hold stops or resumes reading from the server; nil has nothing to hold.
func (u *upstream) hold(d engine.Driver, on bool) {
	if u != nil && u.held != on {
		u.held = on
		d.Hold(u.leg, on)
	}
}

// find returns the upstream connection with that leg, or nil.
func (c *Conn) find(l engine.Leg) *upstream {
	if c.free != nil && c.free.leg == l {
		return c.free
	}
	u := c.pins
	for u != nil && u.leg != l {
		u = u.next
	}
	return u
}

// dispatch sends the request on its way: to the pinned connection of its
// profile and nowhere else, or where the chain and the algorithm say.
func (c *Conn) dispatch() {
	x := c.x
	x.last, x.touched = c.now, c.now
	x.opensChannel()
	for u := c.pins; u != nil; u = u.next {
		// By name: the profile of a later snapshot is the same one to the client.
		if u.service.Profile == x.profile.Name {
			c.stay(u)
			return
		}
	}
	if !c.awaitsFirst() {
		c.choose()
	}
}

// stay sends the request on u, which is pinned for its profile.
func (c *Conn) stay(u *upstream) {
	x := c.x
	if !x.profile.Stay(c.now, &x.rq, u.endpoint, u.amid, &x.d) {
		// The server takes nothing new. Clients ask again elsewhere when a
		// kept connection closes; an answer would be shown to the user.
		c.abort(route.EndNoServer)
		return
	}
	x.decided = true
	x.vip.Note(c.now, c.remote, &x.rq, &x.d)
	if x.d.Outcome == route.Full || !x.d.Commit(c.now) {
		x.awaits = u
		c.queue()
		return
	}
	c.use(u)
}

// choose decides for a server and sends the request there.
func (c *Conn) choose() {
	x := c.x
	c.decide()
	x.decided = true
	x.vip.Note(c.now, c.remote, &x.rq, &x.d)
	switch {
	case x.d.Outcome == route.Held, x.d.Outcome == route.NoServer && x.attempts > 0:
		// No answer is to be had from a server that exists.
		c.fail(502, route.CauseNoServer, route.EndNoServer)
		return
	case x.d.Outcome == route.NoServer:
		c.fail(503, route.CauseNoServer, route.EndNoServer)
		return
	case x.d.Outcome == route.Full || !x.d.Commit(c.now):
		c.queue()
		return
	}
	if c.free != nil {
		if c.free.endpoint == x.d.Endpoint {
			c.use(c.free)
			return
		}
		c.dismiss(c.free)
	}
	c.dial(x.profile.Reuse && !x.authorized)
}

// dial opens a connection to the chosen server. With reuse it may be one that
// was parked.
func (c *Conn) dial(reuse bool) {
	x := c.x
	x.attempts++
	x.sent = 0
	x.up = &upstream{endpoint: x.d.Endpoint, parks: x.profile.Reuse}
	c.free = x.up
	x.up.leg = c.d.Dial(x.d.Endpoint, reuse)
	if !x.request.done {
		c.hold(true) // the body must still be there for another server
	}
}

// Dialed implements engine.Core.
func (c *Conn) Dialed(now int64, l engine.Leg, reused bool, err error, d engine.Driver) {
	c.enter(now, d)
	x := c.x
	switch u := c.find(l); {
	case u == nil || x == nil || x.up != u:
		// Nobody waits for it: the exchange has ended and closed it.
	case err != nil:
		c.free, x.up = nil, nil
		x.d.Avoid(now)
		c.choose()
	default:
		u.ready, u.used = true, reused
		c.use(u)
	}
	c.settle()
}

// use sends the head of the request on u; the body follows.
func (c *Conn) use(u *upstream) {
	x := c.x
	x.up = u
	u.service = x.d.Service()
	x.attempts = max(x.attempts, 1)
	if x.credential {
		c.pin(u)
		c.carry(u)
	}
	if !c.owns(u) {
		c.disown(u)
		return
	}
	u.parks = u.parks && x.profile.Reuse && !x.authorized
	x.stale = u.used
	x.sent, x.last = c.now, c.now
	x.restartWindow(c.now)
	s := scratches.Get().(*scratch)
	s.b = c.forward(s.b[:0])
	u.full = c.d.Send(u.leg, s.b)
	s.release()
	if x.channel != nil && x.channel.over {
		c.join()
	}
	c.hold(u.full && !x.request.done)
}

// pin ties u to the client connection and the profile of the open exchange.
func (c *Conn) pin(u *upstream) {
	if u.pinned() {
		return
	}
	u.pin = true
	c.d.Tie(u.leg, c.number)
	u.next, c.pins = c.pins, u
	c.free = nil
	c.x.vip.Counters.Pins.Add(1)
}

// dismiss closes a connection on which nothing is open, or parks it for other
// clients.
func (c *Conn) dismiss(u *upstream) {
	if u.parkable() {
		c.drop(u, engine.Park)
		return
	}
	c.drop(u, engine.Flush)
}

// drop closes u. With a pinned connection the client connection ends, behind
// the response that is open.
func (c *Conn) drop(u *upstream, how engine.How) {
	if c.x != nil && c.x.up == u {
		c.x.pinned = c.x.pinned || u.pinned()
		c.x.up = nil
	}
	if c.free == u {
		c.free = nil
	}
	for at := &c.pins; *at != nil; at = &(*at).next {
		if *at == u {
			*at = u.next
			c.closing = true
			break
		}
	}
	c.d.Close(u.leg, how)
}

// serverEnded takes note that a server has closed (err is nil) or is gone.
func (c *Conn) serverEnded(l engine.Leg, err error) {
	u, x := c.find(l), c.x
	switch {
	case u == nil:
	case x == nil || x.up != u:
		c.unasked(u, engine.Flush)
	case x.tunnel && err == nil:
		x.serverShuts = true
		c.d.Close(engine.Client, engine.Half)
		c.tunnelEnded()
	case x.status != 0 && x.response.toEnd && err == nil && x.request.done:
		c.responseDone(false)
	case x.response.done, x.status != 0 && x.response.toEnd && err == nil:
		// It has said all, and does not want the rest of the request.
		x.closes = true
		c.drop(u, engine.Reset)
		c.finish(route.EndServer)
	default:
		c.serverFailed()
	}
}

// serverFailed acts on a server that ended before its response did.
func (c *Conn) serverFailed() {
	x, u := c.x, c.x.up
	if x.channel.stood() {
		c.drop(u, engine.Reset)
		c.abort(route.EndServer)
		return
	}
	unanswered := x.first == 0
	if c.retryable() {
		c.drop(u, engine.Reset)
		x.retried = true
		c.dial(false)
		return
	}
	if unanswered && !x.stale {
		x.d.Avoid(c.now)
	}
	pinned := u.pinned()
	c.drop(u, engine.Reset)
	switch {
	case x.status != 0:
		c.abort(route.EndServer)
	case pinned && unanswered && x.stale:
		// The server closed a kept connection, as it may at any time. Without
		// an answer the client does what it would do without a balancer.
		c.abort(route.EndServer)
	default:
		c.fail(502, route.CauseGarbage, route.EndServer)
	}
}

// retryable reports whether the request would be sent again if its server ended
// now: its connection may have been dead all the time.
func (c *Conn) retryable() bool { return c.x.first == 0 && c.x.stale && c.repeatable() }

// repeatable reports whether the request may be sent once more, because doing
// it twice does no harm, nothing of it would be missing, and no identity
// depends on the connection.
func (c *Conn) repeatable() bool {
	x := c.x
	if x.retried || x.up.pinned() || !x.request.done || x.framing.chunked || x.framing.length > 0 {
		return false
	}
	switch string(x.req.Method) {
	case "GET", "HEAD", "OPTIONS":
		return true
	}
	return false
}
