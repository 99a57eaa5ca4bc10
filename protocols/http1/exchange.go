package http1

import (
	"sync"

	"casbah/engine"
	"casbah/internal/httphead"
	"casbah/route"
)

// flow is one direction's body.
type flow struct {
	left    int64 // octets that are still to come, where the length is known
	chunk   chunked
	chunked bool
	toEnd   bool // until the sender closes
	moving  bool // the driver moves it
	done    bool // complete
}

// start begins a body. One that neither has a length nor is chunked is empty,
// unless it lasts to the end of the connection.
func (f *flow) start(fr *framing, toEnd bool) {
	f.chunked, f.left = fr.chunked, fr.length
	f.toEnd = toEnd && !fr.chunked && !fr.hasLength
	f.done = !f.chunked && !f.toEnd && f.left == 0
}

// exchange is one request with its response. It is pooled: a connection has one
// only while a request is open.
type exchange struct {
	vip     *route.VIP
	profile *route.Profile
	d       route.Decision
	rq      route.Request
	req     httphead.Request // points into raw

	memory *memory // of the next two and of the fields of req; nil: shed
	raw    []byte  // the request's head as it came
	kinds  []kind  // of the fields of req

	survey
	request  flow
	response flow

	up       *upstream // nil until a server is chosen
	awaits   *upstream // pinned, and used once its server has a place; nil: none
	channel  *channel  // of RPC over HTTP; nil: the request opens none
	attempts int
	scanned  int // octets of an incomplete response head that were looked at
	interim  int // 1xx responses relayed

	began   int64 // first octet of the head
	sent    int64 // the head left; 0: not yet
	first   int64 // first octet of the response; 0: none
	last    int64 // something moved last
	touched int64 // the bindings were touched last
	window  int64 // begin of the window in which the body's rate is measured
	arrived int64 // octets of the body in that window
	in, out int64 // octets from and to the client
	status  int   // of the final response; 0: its head was not sent yet

	rule route.Rule // that the request meets; the zero value: none

	trusted     bool // the peer is a proxy whose forwarding headers count
	decided     bool // d holds a decision for this request
	parsed      bool // the head is well-formed, so that an answer may keep the connection
	websocket   bool // Upgrade is passed on
	tunnel      bool
	stale       bool // sent on a connection that was used before: it may be dead
	retried     bool
	pinned      bool
	closes      bool   // the client connection closes behind the response
	asksClose   bool   // the client has said that it sends no other request (RFC 9112, Section 9.6)
	serverShuts bool   // the server closes behind the response
	reason      string // of an answer of casbah's own that its status does not say; empty: that of the status
	html        bool   // a browser asks; known once the head is shed
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// newExchange returns an empty exchange that began at the time given.
func newExchange(vip *route.VIP, began int64) *exchange {
	x := exchanges.Get().(*exchange)
	x.vip, x.began = vip, began
	x.borrow()
	return x
}

// release gives x back to the pool. The decision has been released.
func (x *exchange) release() {
	x.giveBack()
	x.leave()
	*x = exchange{d: x.d}
	exchanges.Put(x)
}

// receives reports whether octets from the client are taken now: the request's
// body goes on, its server is there, and casbah forwards it itself.
func (x *exchange) receives() bool {
	return x.sent != 0 && !x.request.done && !x.request.moving && !x.tunnel
}

// moved notes that octets went somewhere.
func (x *exchange) moved(now int64) { x.last = now }

// finish ends the open exchange, and the connection if that was its last.
func (c *Conn) finish(end route.End) {
	closes, how := c.x.closes, engine.Flush
	if c.x.asksClose && c.x.request.done {
		how = engine.Done
	}
	c.conclude(end)
	if closes {
		c.close(how)
		return
	}
	c.hold(false)
}

// abort ends the exchange before its response is complete, and the connection
// with it.
func (c *Conn) abort(end route.End) {
	x := c.x
	how := engine.Flush
	if x.response.toEnd && x.status != 0 {
		how = engine.Reset // a FIN would say that the response is complete
	}
	if x.up != nil {
		c.drop(x.up, engine.Reset)
	}
	c.conclude(end)
	c.close(how)
}

// conclude records the open exchange and gives it back; the server's connection
// is made ready for the next one, or closed.
func (c *Conn) conclude(end route.End) {
	x := c.x
	c.record(end)
	x.d.Release(c.now)
	c.x, c.idle, c.resume = nil, c.now, true
	if up := x.up; up != nil {
		up.used, up.idle = true, c.now
		up.hold(c.d, false)
		if x.serverShuts || !up.pinned() && up.leaving() {
			c.drop(up, engine.Flush)
		}
	}
	x.release()
}
