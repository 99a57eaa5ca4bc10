package http1

import (
	"errors"

	"casbah/engine"
	"casbah/internal/httphead"
	"casbah/route"
)

// requestHead takes the head that p begins with, if it is complete, and acts on
// it. It returns how many octets it took.
func (c *Conn) requestHead(p []byte) int {
	if c.begun == 0 && p[0] == '\r' {
		// A client may send an empty line behind a body (RFC 9112, Section 2.2).
		if len(p) == 1 {
			return 0
		}
		if p[1] == '\n' {
			return 2
		}
	}
	if c.begun == 0 {
		c.begun = c.now
	}
	vip := c.cur.Load()
	n, err := httphead.End(p[:min(len(p), vip.HeadBytes)], int(c.scanned))
	if n == 0 && err == nil && len(p) < vip.HeadBytes {
		c.scanned = int32(len(p))
		return 0
	}
	x := newExchange(vip, c.begun)
	c.x, c.begun, c.scanned = x, 0, 0
	switch {
	case err != nil:
		x.in = int64(len(p))
		c.refuseHead(err)
		return len(p)
	case n == 0:
		x.in = int64(len(p))
		c.refuse(431, route.CauseHead)
		return len(p)
	}
	x.in = int64(n)
	x.raw = append(x.raw[:0], p[:n]...) // p is the driver's, and the head is needed until the response
	if err := x.req.Parse(x.raw); err != nil {
		c.refuseHead(err)
		return n
	}
	c.route()
	return n
}

// refuseHead answers a head that was not taken.
func (c *Conn) refuseHead(err error) {
	c.refuse(headStatus(err), route.CauseHead)
}

// headStatus returns the status of the answer to such a head.
func headStatus(err error) int {
	if e, ok := errors.AsType[*httphead.Error](err); ok {
		return e.Status
	}
	return 400
}

// route finds the profile of the request and passes it on to a server, or
// answers it.
func (c *Conn) route() {
	x := c.x
	switch status, cause := x.admit(); status {
	case 0: // common case
		x.websocket = x.profile.WebSocket && x.asksWebSocket()
		x.source(c.remote.Addr(), c.local.Addr(), c.secure)
		if c.session != [16]byte{} {
			x.rq.SessionID, x.rq.SessionSealed = c.session[:], true
		}
		if c.shown != nil {
			x.rq.Subject = c.shown.account
		}
		if !c.shielded() {
			c.dispatch()
		}
	case 302:
		c.redirect()
	case 200:
		c.prove()
	default:
		c.refuse(status, cause)
	}
}

// admit finds the profile of the request. It returns 0, or the status of
// casbah's own answer and, unless that is a redirect or an ACME server asks, its cause.
func (x *exchange) admit() (status int, cause route.Cause) {
	if err := x.inspect(); err != nil {
		return 400, route.CauseHead
	}
	if !plainPath(x.req.Path) {
		return 400, route.CausePath
	}
	x.parsed = true
	x.request.start(&x.framing, false)
	x.asksClose = !x.hops.persists(x.req.Minor)
	x.closes = x.asksClose || x.vip.Retired
	reads := string(x.req.Method) == "GET" || string(x.req.Method) == "HEAD"
	if reads && x.vip.Challenges.Find(x.req.Path) != "" {
		return 200, 0
	}
	p, verdict := x.vip.Match(x.req.Host, x.req.Path)
	x.profile = p
	switch {
	case verdict == route.Misdirected:
		return 421, route.CauseHost
	case verdict == route.Root && reads, verdict == route.Found && p.HTTPSPort != 0 && reads && x.host() != nil:
		return 302, 0
	case verdict != route.Found:
		return 404, route.CauseProfile
	case p.HTTPSPort != 0: // what it said is said: to have it repeated in TLS would hide that
		return 403, route.CausePlain
	case !p.Allows(x.req.Method):
		return 405, route.CauseMethod
	}
	return 0, 0
}

// host returns the host that the client has called, as it says; nil if it does
// not.
func (x *exchange) host() []byte {
	if x.req.Host != nil {
		return x.req.Host
	}
	return x.req.Authority
}

// requestBody forwards what p holds of the request's body.
func (c *Conn) requestBody(p []byte) (used int) {
	x := c.x
	f := &x.request
	if len(p) > 0 {
		x.expect = false // the client did not wait, or need not any more
		x.moved(c.now)
		if x.window == 0 {
			x.restartWindow(c.now)
		}
	}
	if f.chunked {
		var err error
		if used, f.done, err = f.chunk.scan(p); err != nil {
			x.in += int64(used)
			c.refuse(400, route.CauseBody)
			return len(p)
		}
	} else {
		used = int(min(f.left, int64(len(p))))
		f.left -= int64(used)
		f.done = f.left == 0
	}
	x.in += int64(used)
	x.arrived += int64(used)
	if used > 0 && c.d.Send(x.up.leg, p[:used]) && !f.done {
		x.up.full = true
		c.hold(true)
	}
	c.sniff(p[:used])
	switch {
	case f.done:
		c.requestDone()
	case f.left > moveLeast && x.profile.MinBodyRate == 0 && !x.channel.sniffs():
		// Where a minimum rate holds, casbah must know whether it waits for
		// the client or for the server, which a Move does not tell.
		f.moving = true
		c.d.Move(engine.Client, x.up.leg, f.left)
	}
	return used
}

// moveLeast is how many octets of a body must be missing before the driver is
// asked to move them by itself.
const moveLeast = 8 << 10

// requestMoved takes note of octets that the driver moved to the server.
func (c *Conn) requestMoved(n int64) {
	x := c.x
	x.in += n
	if x.tunnel {
		return
	}
	if x.request.left -= n; x.request.left <= 0 && x.request.moving {
		x.request.moving, x.request.done = false, true
		c.requestDone()
	}
}

// requestDone is called behind the last octet of the request.
func (c *Conn) requestDone() {
	if c.x.response.done {
		c.finish(route.EndDone)
	}
}
