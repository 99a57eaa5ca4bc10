package relay

import (
	"casbah/engine"
	"casbah/route"
)

// takeLeave ends the session with a farewell if casbah stops and the dialogue is
// at a point where it can.
func (c *Conn) takeLeave(now int64, d engine.Driver) {
	if c.pair.talk.leaves {
		c.goodbye(now, route.EndDrain, d)
	}
}

// goodbye ends the session with a farewell, and reports whether it did: not where
// octets move unread, be it a literal, a message or all, nor amid a line.
func (c *Conn) goodbye(now int64, end route.End, d engine.Driver) bool {
	p := c.pair
	t := p.talk
	if t == nil || p.stage != talking || t.client.under() || t.server.under() || t.server.ahead > 0 {
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

// apologize ends a connection for which there is no server, in the words of its
// protocol where that has some.
func (c *Conn) apologize(now int64, d engine.Driver) {
	how := engine.Reset
	if s := c.pair.vip.Speaks; s != nil && s.Nobody != "" {
		c.pair.passed(engine.Client+1, int64(len(s.Nobody))) // as from a server
		d.Send(engine.Client, []byte(s.Nobody))
		how = engine.Flush
	}
	c.finish(now, route.EndNoServer, how, d)
}

// under reports whether octets of s are moving, or about to.
func (s *side) under() bool { return s.moves != 0 || s.due != 0 }
