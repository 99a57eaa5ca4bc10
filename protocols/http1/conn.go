// Package http1 is HTTP/1.1 and 1.0 proxying as a protocol core: it reads the
// head of each request, has a server chosen, and forwards the octets of both
// directions as they come.
//
// One client connection runs one request at a time; what a client pipelines
// stays unread until the exchange before is over. Upstream connections belong
// to the client connection. Those that carry an identity (NTLM, Negotiate,
// Kerberos) are pinned to one profile and live and die with it.
//
// Implemented: RFC 9112 (framing, connections), of RFC 9110 what concerns an
// intermediary, RFC 6455 as far as its handshake makes a tunnel. Not
// implemented: CONNECT, Upgrade to anything but websocket, transfer codings
// other than chunked.
package http1

import (
	"net/netip"

	"casbah/engine"
	"casbah/route"
)

// Conn is the core of one client connection. Most of them wait for a request
// most of the time, so what only an exchange needs stands there.
type Conn struct {
	cur    *route.Current
	remote netip.AddrPort // the client
	local  netip.AddrPort // the address that the client called

	d   engine.Driver // valid during a call, as is now
	now int64

	number uint64 // of this client connection; no other has or had it

	x    *exchange // the open exchange; nil between requests
	free *upstream // the one upstream connection that is not pinned; nil without
	pins *upstream // the first of those that are, at most one for each profile

	begun int64 // first octet of the head that is coming in; 0: none
	idle  int64 // since when nothing is asked
	armed int64 // the deadline that the driver knows; 0: none

	session    [16]byte // of TLS; zero: none
	shown      *shown   // of the client; nil: it has shown no certificate
	issued     string   // casbah's own cookie that the client was given last; empty: none
	scanned    int32    // octets of an incomplete head that were looked at
	cookieless bool     // and did not bring
	secure     bool     // the client speaks TLS
	stream     bool     // of HTTP/2: there is one request
	unread     bool     // the last Bytes from the client left octets
	resume     bool     // those octets may be looked at now
	held       bool     // reading from the client is held
	full       bool     // the client does not take more for now
	eof        bool     // the client sends nothing more
	closing    bool     // no new request: casbah drains, or a pinned connection is gone
	over       bool     // closed
}

// New returns the core of a client connection of the VIP that cur points to. It
// takes the snapshot in force anew for each request.
func New(cur *route.Current, c engine.Conn) engine.Core {
	return &Conn{number: numbers.Add(1), cur: cur, remote: c.Remote, local: c.Local, secure: c.Secure, stream: c.Stream, session: c.Session, shown: shownBy(c.Shown)}
}

// Bytes implements engine.Core.
func (c *Conn) Bytes(now int64, l engine.Leg, p []byte, d engine.Driver) int {
	c.enter(now, d)
	if l != engine.Client {
		used := c.fromServer(l, p)
		c.settle()
		return used
	}
	c.unread = false
	used := c.fromClient(p)
	c.unread, c.resume = used < len(p), false
	if c.eof && c.x == nil && !c.held {
		c.close(engine.Flush) // half a head, and nothing follows
	}
	c.settle()
	return used
}

// fromClient takes heads and bodies off p, one after the other.
func (c *Conn) fromClient(p []byte) (used int) {
	for {
		switch {
		case c.over, c.closing && c.x == nil:
			return len(p)
		case c.x != nil && c.x.channel.waits():
			c.await(p[used:])
			if c.x != nil && c.x.channel.waits() {
				return used
			}
		case c.x != nil && c.x.receives():
			used += c.requestBody(p[used:])
			if c.x != nil {
				return used
			}
		case c.x != nil, used == len(p):
			return used
		case c.full:
			c.hold(true) // it asks and does not take the answers
			return used
		default:
			n := c.requestHead(p[used:])
			if used += n; n == 0 {
				return used
			}
		}
	}
}

// Secured implements engine.Core; HTTP does not upgrade to TLS here.
func (c *Conn) Secured(int64, engine.Leg, int, error, engine.Driver) {}

// End implements engine.Core.
func (c *Conn) End(now int64, l engine.Leg, err error, d engine.Driver) {
	c.enter(now, d)
	switch {
	case c.over:
	case l == engine.Client:
		c.clientEnded(err)
	default:
		c.serverEnded(l, err)
	}
	c.settle()
}

// clientEnded goes on with the response if the request is complete: a client
// may close its half first. One that is gone takes everything with it, and so does
// one of RPC over HTTP ([MS-RPCH], Section 3.2.4.5): OUT has nothing to say to a client
// that is leaving, and the server may have nothing to say for long.
func (c *Conn) clientEnded(err error) {
	c.eof = true
	switch x := c.x; {
	case x == nil:
		if err != nil || !c.unread || !c.held { // else what it sent ahead is still to be answered
			c.close(engine.Flush)
		}
	case err == nil && x.tunnel:
		c.d.Close(x.up.leg, engine.Half)
		c.tunnelEnded()
	case err != nil || !x.request.done || x.channel.joined():
		c.abort(route.EndClient)
	}
}

// Drained implements engine.Core.
func (c *Conn) Drained(now int64, l engine.Leg, d engine.Driver) {
	c.enter(now, d)
	x := c.x
	if x != nil {
		x.moved(now)
	}
	switch {
	case c.over:
	case l == engine.Client:
		c.full = false
		if x == nil {
			c.hold(false)
		} else {
			x.up.hold(d, false)
		}
	case x != nil && x.up != nil && x.up.leg == l:
		x.up.full = false
		x.restartWindow(now)
		c.hold(false)
	}
	c.settle()
}

// Moved implements engine.Core.
func (c *Conn) Moved(now int64, from engine.Leg, n int64, d engine.Driver) {
	c.enter(now, d)
	if x := c.x; x != nil && !c.over {
		x.moved(now)
		if from == engine.Client {
			c.requestMoved(n)
		} else {
			c.responseMoved(n)
		}
	}
	c.settle()
}

// Tick implements engine.Core. The driver calls it once when the connection
// opens, so that a client that never says anything has a deadline too.
func (c *Conn) Tick(now int64, why engine.Cause, d engine.Driver) {
	c.enter(now, d)
	switch {
	case c.over:
	case why == engine.Kill:
		c.kill()
	case why == engine.Drain:
		c.closing = true
	case why == engine.Woken:
		c.look()
		c.leave()
	default:
		c.armed = 0
		c.expire()
	}
	c.settle()
}

// enter begins each call.
func (c *Conn) enter(now int64, d engine.Driver) {
	c.now, c.d = now, d
	if c.idle == 0 {
		c.idle = now
	}
}

// settle ends each call: it closes a connection that has nothing more to do,
// has the driver offer what a client sent ahead, and sets the deadline.
func (c *Conn) settle() {
	if c.x == nil && !c.over {
		switch {
		case c.closing, c.eof && !c.unread:
			c.close(engine.Flush)
		case c.resume:
			c.resume = false
			if c.unread { // resuming is what has the driver offer it again
				c.hold(true)
				c.hold(false)
			}
		}
	}
	if c.over {
		return
	}
	if at := c.deadline(); at != never && (c.armed == 0 || at < c.armed) {
		c.armed = at
		c.d.Wake(at)
	}
}

// hold stops or resumes reading from the client.
func (c *Conn) hold(on bool) {
	if c.held != on {
		c.held = on
		c.d.Hold(engine.Client, on)
	}
}

// toClient sends p to the client. When the client is full the server is held.
func (c *Conn) toClient(p []byte) {
	x := c.x
	x.out += int64(len(p))
	if c.d.Send(engine.Client, p) {
		c.full = true
		if x.up != nil && x.up.ready {
			x.up.hold(c.d, true)
		}
	}
}

// close ends the connection and its upstream connections. An exchange that is
// open must have been finished.
func (c *Conn) close(how engine.How) {
	if c.over {
		return
	}
	c.over = true
	if c.free != nil {
		c.dismiss(c.free)
	}
	for c.pins != nil {
		c.dismiss(c.pins)
	}
	c.d.Close(engine.Client, how)
}

// Abandon gives back what the open exchange holds of servers; see engine.Abandon.
func (c *Conn) Abandon() {
	x := c.x
	c.x, c.over = nil, true
	if x != nil { // and is not pooled: who knows what it is
		x.d.Release(c.now)
		x.leave()
	}
}

// kill resets everything.
func (c *Conn) kill() {
	if c.x != nil {
		c.conclude(route.EndKill)
	}
	c.sever()
}
