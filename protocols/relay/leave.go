package relay

import (
	"casbah/engine"
	"casbah/route"
)

// takeLeave ends the session with a farewell if casbah stops, or the server is to
// be left, and the dialogue is at a point where it can.
func (c *Conn) takeLeave(now int64, d engine.Driver) {
	if p := c.pair; p.talk.leaves || now >= p.d.Order().Leaves(p.share) {
		c.goodbye(now, route.EndDrain, d)
	}
}

// review looks at what is ordered of the server of a connection that is up. One
// without a dialogue goes on until it is closed: nobody knows what it is amid of.
func (c *Conn) review(now int64, d engine.Driver) {
	p := c.pair
	if c.over || p.stage < joined {
		return
	}
	if p.stage == talking {
		c.takeLeave(now, d)
	}
	switch {
	case c.over:
	case now >= p.d.Order().Closes():
		c.finish(now, route.EndDrain, engine.Reset, d) // a FIN would say that the other side has ended
	default:
		p.arm(now, d)
	}
}

// givenUp reports whether the server is not to be used any more, by an order that
// came while it was dialled.
func (p *pair) givenUp(now int64) bool { return now >= p.d.Order().Closes() }

// leaveTime returns when a connection that is up looks next because of what is
// ordered of its server; never without an order. A session that is due to take
// leave and cannot yet looks whenever octets pass.
func (p *pair) leaveTime(now int64) int64 {
	o := p.d.Order()
	at := o.Closes()
	if l := o.Leaves(p.share); p.talk != nil && l > now {
		at = min(at, l)
	}
	return at
}

// goodbye ends the session with a farewell, and reports whether it did: not where
// octets move unread, be it a literal, a message or all, nor amid a line, nor while
// the server has more of the client than the dialogue knows.
func (c *Conn) goodbye(now int64, end route.End, d engine.Driver) bool {
	p := c.pair
	t := p.talk
	if t == nil || p.stage != talking || t.client.under() || t.server.under() || t.client.ahead > 0 || t.server.ahead > 0 {
		return false
	}
	words := t.dialogue.Goodbye
	if end == route.EndIdle {
		words = t.dialogue.Timeout
	}
	e := effects.Get().(*Effect) //nolint:forcetypeassert // the pool holds nothing else
	defer putEffect(e)
	out, ok := words(e.ToClient)
	e.ToClient = out
	if !ok {
		return false
	}
	c.send(p.server, engine.Client, out, d)
	c.finish(now, end, engine.Flush, d)
	return true
}

// apologize ends a connection for which there is no server, or none with a place
// for it, in the words of its protocol where that has some.
func (c *Conn) apologize(now int64, end route.End, d engine.Driver) {
	how, words := engine.Reset, ""
	if s := c.pair.vip.Speaks; s != nil {
		words = s.Nobody
		if end == route.EndFull {
			words = s.Busy
		}
	}
	if words != "" {
		c.pair.passed(engine.Client+1, int64(len(words))) // as from a server
		d.Send(engine.Client, []byte(words))
		how = engine.Flush
	}
	c.finish(now, end, how, d)
}

// under reports whether octets of s are moving, or about to.
func (s *side) under() bool { return s.moves != 0 || s.due != 0 }
