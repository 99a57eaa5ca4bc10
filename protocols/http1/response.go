package http1

import (
	"sync"
	"time"

	"casbah/engine"
	"casbah/internal/httphead"
	"casbah/route"
)

// maxInterim is how many 1xx responses one request may get.
const maxInterim = 100

// reply is the head of one response while it is looked at. It is pooled and
// held during a call only, since a long poll waits for an hour without one.
type reply struct {
	head    httphead.Response
	framing framing
	hops    hops
	hopwise bool   // a field of it holds for one hop only
	strict  bool   // the VIP has a Strict-Transport-Security of its own: that of the server goes
	offers  bool   // WWW-Authenticate: NTLM, Negotiate or Kerberos
	unbound bool   // which are taken off
	added   []byte // lines that persistence adds
	out     []byte
}

var replies = sync.Pool{New: func() any { return new(reply) }}

// release gives r back to the pool.
func (r *reply) release() {
	if cap(r.out) > keepBytes {
		return
	}
	r.framing, r.hops, r.hopwise, r.offers, r.unbound, r.strict = framing{}, hops{}, false, false, false, false
	r.head = httphead.Response{Fields: r.head.Fields[:0]}
	replies.Put(r)
}

// fromServer takes what a server sent.
func (c *Conn) fromServer(l engine.Leg, p []byte) (used int) {
	u, x := c.find(l), c.x
	if c.over || u == nil {
		return len(p)
	}
	if x == nil || x.up != u || x.sent == 0 {
		c.unasked(u, engine.Reset) // whatever follows would answer the wrong request
		return len(p)
	}
	x.moved(c.now)
	if x.first == 0 {
		x.first = c.now
	}
	for used < len(p) {
		switch {
		case c.x != x || x.up != u: // u is gone, or was told to go by more than was asked for
			return len(p)
		case x.tunnel, x.response.moving:
			return used
		case x.response.done:
			x.serverShuts = true // more than was asked for, while the request still flows
			return len(p)
		case x.status != 0:
			used += c.responseBody(p[used:])
		default:
			n := c.responseHead(p[used:])
			if used += n; n == 0 {
				return used
			}
		}
	}
	if c.x == x {
		c.moveResponse()
	}
	return used
}

// responseHead takes the head that p begins with, if it is complete, and
// returns how many octets it took.
func (c *Conn) responseHead(p []byte) int {
	x := c.x
	limit := x.vip.HeadBytes
	n, err := httphead.End(p[:min(len(p), limit)], x.scanned)
	if err != nil || n == 0 && len(p) >= limit {
		c.garbage()
		return len(p)
	}
	if n == 0 {
		x.scanned = len(p)
		return 0
	}
	x.scanned = 0
	r := replies.Get().(*reply)
	if c.respond(r, p[:n]) {
		c.final(r, n < len(p))
	}
	r.release()
	return n
}

// respond reads a head and deals with what is not a final response. It reports
// whether it is one.
func (c *Conn) respond(r *reply, head []byte) bool {
	x := c.x
	if r.head.Parse(head) != nil || r.inspect() != nil {
		c.garbage()
		return false
	}
	switch status := r.head.Status; {
	case status == 101 && x.websocket:
		c.openTunnel(r)
	case status >= 200 && (!r.framing.chunked || x.req.Minor > 0 && r.head.Minor > 0):
		return true
	case status >= 200, status == 101, x.interim == maxInterim:
		c.garbage()
	default:
		x.interim++
		if status == 100 {
			x.expect = false
			x.restartWindow(c.now)
		}
		if x.req.Minor > 0 && (status != 100 || !x.continued()) {
			c.toClient(head)
		}
	}
	return false
}

// inspect reads what the fields say about framing, this hop and identity.
func (r *reply) inspect() error {
	for i := range r.head.Fields {
		f := &r.head.Fields[i]
		switch classify(f.Name) {
		case contentLength:
			if err := r.framing.contentLength(f.Value); err != nil {
				return err
			}
		case transferEncoding:
			if err := r.framing.transferEncoding(f.Value, r.head.Minor); err != nil {
				return err
			}
		case connection:
			r.hopwise = true
			r.hops.take(f.Value) // a server's nominations are not followed: it may not hide what casbah reads
		case keepAlive, dropped, upgrade:
			r.hopwise = true
		case wwwAuthenticate:
			r.offers = r.offers || namesIdentity(f.Value)
		default: // says nothing about them
		}
	}
	return r.framing.check()
}

// final sends the head of the final response to the client. More tells that octets
// follow it.
func (c *Conn) final(r *reply, more bool) {
	x, u := c.x, c.x.up
	r.added = r.added[:0]
	if r.head.Status == 401 && r.offers {
		if c.stream && !r.unbind() {
			c.unofferable()
			return
		}
		c.pin(u)
	}
	x.status = r.head.Status
	x.serverShuts = !r.hops.persists(r.head.Minor) || x.req.Minor == 0 && x.asksClose // an old request goes as it came
	if r.head.Status == 204 || r.head.Status == 304 || string(x.req.Method) == "HEAD" {
		x.response.done = true
	} else {
		x.response.start(&r.framing, true)
	}
	x.serverShuts = x.serverShuts || x.response.toEnd
	u.amid = r.head.Status == 401 && x.credential
	x.closes = x.closes || c.closing || x.response.toEnd ||
		x.serverShuts && (u.pinned() || !x.request.done) || u.pinned() && !u.amid && u.leaving()
	r.added = x.d.Answer(c.now, time.Duration(c.now-x.sent), &r.head, r.added)
	if x.vip.StrictTransport != "" {
		r.added, r.strict = append(r.added, x.vip.StrictTransport...), true
	}
	c.toClient(r.compose(x.closes, x.req.Minor))
	if x.response.done {
		c.responseDone(more)
	}
}

// compose returns the head as it goes to the client: octet for octet, but for
// the lines that hold for one hop and those that are added.
func (r *reply) compose(closes bool, minor byte) []byte {
	option := ""
	switch {
	case closes:
		option = "Connection: close\r\n"
	case minor == 0:
		option = "Connection: keep-alive\r\n"
	}
	if !r.hopwise && !r.unbound && option == "" && len(r.added) == 0 { // common case
		return r.head.Raw
	}
	out, start, at := r.out[:0], 0, r.firstField()
	for i := range r.head.Fields {
		f := &r.head.Fields[i]
		switch r.fate(f, closes) {
		case lineDropped:
			out = append(out, r.head.Raw[start:at]...)
			start = at + len(f.Line)
		case lineSays:
			option = ""
		case linePasses:
		}
		at += len(f.Line)
	}
	out = append(out, r.head.Raw[start:at]...)
	out = append(out, r.added...)
	out = append(out, option...)
	r.out = append(out, crlf...)
	return r.out
}

// firstField returns the offset of the line behind the status line.
func (r *reply) firstField() int {
	n := len(r.head.Raw) - len(crlf)
	for i := range r.head.Fields {
		n -= len(r.head.Fields[i].Line)
	}
	return n
}

// fate is what becomes of a line of a response head.
type fate uint8

const (
	linePasses fate = iota
	lineDropped
	lineSays // passes, and says about the connection what is to be said
)

// fate decides about one line. The words of a Connection field pass if they are
// true of the client's connection too.
func (r *reply) fate(f *httphead.Field, closes bool) fate {
	if !r.hopwise && !r.strict && !r.unbound {
		return linePasses
	}
	switch classify(f.Name) {
	case strictTransport:
		if r.strict {
			return lineDropped
		}
		return linePasses
	case wwwAuthenticate:
		if r.unbound && namesIdentity(f.Value) {
			return lineDropped
		}
		return linePasses
	case connection:
		switch {
		case closes && httphead.Token(f.Value, "close"):
			return lineSays
		case !closes && httphead.EqualFold(f.Value, "keep-alive"):
			return lineSays
		}
		return lineDropped
	case keepAlive, dropped:
		return lineDropped
	case upgrade:
		if r.head.Status == 426 { // says what it would take to be served
			return linePasses
		}
		return lineDropped
	default:
		return linePasses
	}
}

// responseBody forwards what p holds of the response's body.
func (c *Conn) responseBody(p []byte) (used int) {
	x := c.x
	f := &x.response
	switch {
	case f.chunked:
		var err error
		if used, f.done, err = f.chunk.scan(p); err != nil {
			c.toClient(p[:used])
			c.abort(route.EndServer)
			return len(p)
		}
	case f.toEnd:
		used = len(p)
	default:
		used = int(min(f.left, int64(len(p))))
		f.left -= int64(used)
		f.done = f.left == 0
	}
	c.toClient(p[:used])
	if f.done {
		c.responseDone(used < len(p))
	}
	return used
}

// moveResponse has the driver move the rest of a long body by itself.
func (c *Conn) moveResponse() {
	x := c.x
	f := &x.response
	if x.status == 0 || x.tunnel || f.done || f.moving || f.chunked || f.toEnd || f.left <= moveLeast {
		return
	}
	f.moving = true
	x.up.hold(c.d, false) // the driver minds the client's pace
	c.d.Move(x.up.leg, engine.Client, f.left)
}

// responseMoved takes note of octets that the driver moved to the client.
func (c *Conn) responseMoved(n int64) {
	x := c.x
	x.out += n
	if x.tunnel {
		return
	}
	if x.response.left -= n; x.response.left <= 0 && x.response.moving {
		x.response.moving = false
		c.responseDone(false)
	}
}

// responseDone is called behind the last octet of the response. More tells that the
// server has sent more than was asked for: its connection serves nobody any more, since
// what follows would be taken for the answer to another request, of another client's
// even, once it is parked.
func (c *Conn) responseDone(more bool) {
	x := c.x
	x.response.done, x.serverShuts = true, x.serverShuts || more
	if x.request.done {
		c.finish(route.EndDone)
		return
	}
	x.up.hold(c.d, false) // to learn that the server has had enough
}

// garbage acts on a server that does not speak HTTP.
func (c *Conn) garbage() {
	c.x.d.Avoid(c.now)
	c.drop(c.x.up, engine.Reset)
	c.fail(502, route.CauseGarbage, route.EndServer)
}
