package relay

import (
	"errors"
	"net/netip"
	"sync"

	"casbah/balance"
	"casbah/engine"
	"casbah/internal/maildialogue"
	"casbah/route"
)

// talk is the state of a connection whose octets go through a dialogue. It is
// pooled, apart from the state of those that move unread.
type talk struct {
	dialogue Dialogue
	upstream Upstream // begins TLS towards the server; nil: it is not to, or has
	edits    bool     // the dialogue may change what passes
	shakes   bool     // TLS begins on the client's leg
	leaves   bool     // casbah stops: the client is to be taken leave of
	watches  bool     // the reader looks at what the server says
	seen     int      // octets of the server that it has seen and that were left unused
	client   side
	server   side
}

// side is one direction, from the client or from the server.
type side struct {
	ahead int   // octets that the dialogue has not used and that have passed all the same
	due   int64 // octets to be moved, behind those that have passed; -1: all
	moves int64 // octets that a Move has still to move; -1: all
	held  hold
}

// hold says why a leg is not read.
type hold uint8

// The reasons, of which several may hold.
const (
	byDialogue hold = 1 << iota
	byTLS           // of the other leg
	byFull          // what it says goes to a leg that has too much queued
	byOwnFull       // what it is answered does
	byTurn          // of a client that has waited, and goes first
)

var talks = sync.Pool{New: func() any { return new(talk) }}

// begin has the connection go through a dialogue.
func (p *pair) begin(secure bool) {
	e := p.d.Endpoint
	o := p.vip.Options
	o.Secure, o.ServerSecure = secure, e.TLS != nil || e.StartTLS != nil
	t := talks.Get().(*talk) //nolint:forcetypeassert // the pool holds nothing else
	*t = talk{dialogue: p.vip.Speaks.Begin(o), edits: o.Offer || p.vip.Speaks.Edits}
	if s, ok := t.dialogue.(placed); ok {
		s.place(p.rq.Dest, e.Server)
	}
	p.talk = t
}

// placed is a dialogue that wants to know which address the client has called, and
// which server serves it.
type placed interface {
	place(called netip.Addr, server balance.ServerID)
}

// converse has the octets go through the dialogue.
func (c *Conn) converse(now int64, d engine.Driver) {
	p := c.pair
	p.stage = talking
	if p.talk == nil {
		p.begin(c.tls)
	}
	p.talk.watches = p.reader != nil && p.reader.Watches(p.profile)
	if p.clientDone {
		d.Close(p.server, engine.Half)
	}
	d.Hold(engine.Client, false)
	p.arm(now, d)
}

// rest sends what the dialogue holds of a server that has ended.
func (c *Conn) rest(d engine.Driver) {
	p := c.pair
	if p.talk == nil {
		return
	}
	e := effects.Get().(*Effect) //nolint:forcetypeassert // the pool holds nothing else
	defer putEffect(e)
	e.ToClient = p.talk.dialogue.Rest(e.ToClient)
	c.send(p.server, engine.Client, e.ToClient, d)
}

// awaited reports whether the client is held until the server has answered.
func (p *pair) awaited() bool { return p.talk != nil && p.talk.client.held&byDialogue != 0 }

// release gives t back; nil is nothing.
func (t *talk) release() {
	if t != nil {
		t.dialogue.Release()
		*t = talk{}
		talks.Put(t)
	}
}

// effects are those of calls; none outlives one.
var effects = sync.Pool{New: func() any { return new(Effect) }}

// fewOctets is how much room an effect keeps for the next call.
const fewOctets = 16 << 10

func putEffect(e *Effect) {
	if cap(e.ToClient)+cap(e.ToServer) <= fewOctets {
		e.Reset()
		effects.Put(e)
	}
}

// side returns that of a leg.
func (t *talk) side(l engine.Leg) *side {
	if l == engine.Client {
		return &t.client
	}
	return &t.server
}

// other returns the leg that what l says goes to.
func (p *pair) other(l engine.Leg) engine.Leg {
	if l == engine.Client {
		return p.server
	}
	return engine.Client
}

// hear takes in what l says, and returns how much of it is used.
func (c *Conn) hear(now int64, l engine.Leg, b []byte, d engine.Driver) (used int) {
	p := c.pair
	t := p.talk
	p.last = now
	if t.watches && l == p.server {
		t.watches = !p.reader.Server(now, &p.d, b[t.seen:])
	}
	s := t.side(l)
	if s.due != 0 {
		used = s.skip()
		if c.move(l, d); s.moves != 0 {
			return used
		}
	}
	e := effects.Get().(*Effect) //nolint:forcetypeassert // the pool holds nothing else
	defer putEffect(e)
	n, err := c.follow(l, b[used:], e, d)
	used += n
	switch {
	case err != nil:
		c.broken(now, err, d)
	case e.StartTLS:
		c.shake(d)
	default:
		if l == p.server {
			t.seen = len(b) - used
		}
		c.takeLeave(now, d)
	}
	return used
}

// follow has the dialogue use what it can of b, which l says, and carries out
// what it asks for, but for TLS.
func (c *Conn) follow(l engine.Leg, b []byte, e *Effect, d engine.Driver) (used int, err error) {
	p := c.pair
	t := p.talk
	s := t.side(l)
	from, own := t.dialogue.FromServer, &e.PassServer
	if l == engine.Client {
		from, own = t.dialogue.FromClient, &e.PassClient
	}
	for again := true; again; {
		e.Reset()
		var n int
		n, err = from(b[used:], e)
		used += n
		c.tell(l, e, d)
		if err != nil || e.StartTLS {
			return used, err
		}
		again = *own == 0 && (n > 0 || e.ResumeClient) && used < len(b)
		if e.HoldClient {
			again = again && l != engine.Client
			c.hold(engine.Client, byDialogue, t.edits, d) // else the server gets at once what it may read later
		}
		c.pass(p.other(l), e, d)
		again = again && s.held&byTurn == 0
	}
	if l == engine.Client {
		c.hold(p.server, byTurn, false, d)
	}
	if !t.edits {
		c.forward(l, b, used, *own != 0, d)
	}
	if s.due = *own; s.due != 0 {
		used += s.skip()
		if c.move(l, d); s.moves == 0 { // all of it has passed: no Move ends with an offer of the rest
			c.offer(l, d)
		}
	}
	return used, nil
}

// tell sends what the dialogue has for either side. Where it changes nothing, what
// it has is what has been offered.
func (c *Conn) tell(l engine.Leg, e *Effect, d engine.Driver) {
	if c.pair.talk.edits {
		c.send(l, c.pair.server, e.ToServer, d)
		c.send(l, engine.Client, e.ToClient, d)
	}
}

// forward passes on what is offered by l and has not passed yet, of which the
// dialogue has used so much: all of it, for whoever says it may wait for an answer
// before the line ends, but for what a Move is to take.
func (c *Conn) forward(l engine.Leg, b []byte, used int, moves bool, d engine.Driver) {
	s := c.pair.talk.side(l)
	until := len(b)
	if moves {
		until = max(used, s.ahead)
	}
	if s.ahead < until {
		c.send(l, c.pair.other(l), b[s.ahead:until], d)
	}
	s.ahead = until - used
}

// pass carries out what e has for the leg other, which is not the one that was
// offered, and lets a client go on that waited.
func (c *Conn) pass(other engine.Leg, e *Effect, d engine.Driver) {
	t := c.pair.talk
	s := t.side(other)
	n := e.PassClient
	if other != engine.Client {
		n = e.PassServer
	}
	if n != 0 {
		s.due = n
		if s.ahead == 0 && s.moves == 0 { // else behind what has passed, or moves
			c.move(other, d)
		}
	}
	if s.due != 0 {
		c.offer(other, d)
	}
	if e.ResumeClient {
		if t.client.held&^byDialogue == 0 && !t.client.under() {
			c.hold(c.pair.server, byTurn, true, d)
		}
		c.hold(engine.Client, byDialogue, false, d)
		c.offer(engine.Client, d)
	}
}

// offer has what l has left unused be offered again, now or once it is read again.
func (c *Conn) offer(l engine.Leg, d engine.Driver) {
	if c.pair.talk.side(l).held == 0 {
		d.Hold(l, true)
		d.Hold(l, false)
	}
}

// skip returns how many of the octets that are unused have passed already, and
// are a part of what is due.
func (s *side) skip() int {
	n := s.ahead
	if s.due > 0 {
		n = int(min(int64(n), s.due))
		s.due -= int64(n)
	}
	s.ahead -= n
	return n
}

// move begins the Move that is due from l, if one is.
func (c *Conn) move(l engine.Leg, d engine.Driver) {
	s := c.pair.talk.side(l)
	if s.due != 0 {
		s.moves, s.due = s.due, 0
		d.Move(l, c.pair.other(l), s.moves)
	}
}

// send sends b, because of what from has said.
func (c *Conn) send(from, to engine.Leg, b []byte, d engine.Driver) {
	if len(b) == 0 {
		return
	}
	p := c.pair
	p.passed(p.other(to), int64(len(b)))
	if d.Send(to, b) {
		why := byFull
		if from == to {
			why = byOwnFull
		}
		c.hold(from, why, true, d)
	}
}

// hold stops reading from l for a reason, or says that it holds no longer.
func (c *Conn) hold(l engine.Leg, why hold, on bool, d engine.Driver) {
	s := c.pair.talk.side(l)
	was := s.held
	if on {
		s.held |= why
	} else {
		s.held &^= why
	}
	if (was == 0) != (s.held == 0) {
		d.Hold(l, s.held != 0)
	}
}

// broken ends a session that one of its peers has broken; the client has been
// told.
func (c *Conn) broken(now int64, err error, d engine.Driver) {
	end, cause := route.EndProtocol, route.CauseProtocol
	if e, ok := errors.AsType[*maildialogue.ProtocolError](err); ok && e.Server {
		end, cause = route.EndServer, route.CauseGarbage
	}
	c.pair.vip.Refuse(cause)
	c.finish(now, end, engine.Flush, d)
}

// Drained implements engine.Core. What moves is held back by the driver.
func (c *Conn) Drained(_ int64, l engine.Leg, d engine.Driver) {
	if c.pair == nil || c.pair.talk == nil {
		return
	}
	c.hold(l, byOwnFull, false, d)
	if c.pair.stage == talking {
		c.hold(c.pair.other(l), byFull, false, d)
	}
}

// moved takes note of octets of a Move.
func (c *Conn) moved(now int64, from engine.Leg, n int64, d engine.Driver) {
	s := c.pair.talk.side(from)
	if s.moves > 0 {
		s.moves -= n
		c.takeLeave(now, d)
	}
}
