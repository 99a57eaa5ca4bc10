package relay

import (
	"time"

	"casbah/engine"
	"casbah/route"
)

// secure has a server that was reached begin TLS, before the session.
func (c *Conn) secure(now int64, d engine.Driver) {
	p := c.pair
	p.stage = securing
	p.begin(c.tls)
	p.talk.upstream = p.vip.Speaks.Upstream()
	limit := p.d.Endpoint.ConnectTimeout
	if limit <= 0 {
		limit = securingTime
	}
	d.Wake(now + int64(limit))
}

// securingTime is for a server to agree to TLS where the endpoint sets no time.
const securingTime = 10 * time.Second

// agree takes in what a server says before TLS.
func (c *Conn) agree(now int64, b []byte, d engine.Driver) (used int) {
	p := c.pair
	e := effects.Get().(*Effect) //nolint:forcetypeassert // the pool holds nothing else
	defer putEffect(e)
	used, err := p.talk.upstream.FromServer(b, e)
	d.Send(p.server, e.ToServer)
	switch {
	case err != nil:
		c.elsewhere(now, engine.Flush, d)
	case e.StartTLS:
		d.StartTLS(p.server, true)
	}
	return used
}

// elsewhere goes on without a server that was reached and cannot be spoken to.
func (c *Conn) elsewhere(now int64, how engine.How, d engine.Driver) {
	p := c.pair
	d.Close(p.server, how)
	d.Wake(0)
	p.server, p.stage = engine.Client, dialling
	p.talk.release()
	p.talk = nil
	p.d.Avoid(now)
	c.choose(now, d)
}

// shake begins TLS on the client's leg. What it has said behind the command is
// dropped: nobody may take it for something that was said in TLS.
func (c *Conn) shake(d engine.Driver) {
	p := c.pair
	p.talk.shakes = true
	c.hold(p.server, byTLS, true, d)
	d.StartTLS(engine.Client, true)
}

// Secured implements engine.Core.
func (c *Conn) Secured(now int64, l engine.Leg, dropped int, err error, d engine.Driver) {
	p := c.pair
	switch {
	case p == nil || p.talk == nil:
	case l == engine.Client:
		c.shaken(now, dropped, err, d)
	case l != p.server || p.stage != securing:
	case err != nil, p.givenUp(now):
		c.elsewhere(now, engine.Flush, d)
	default:
		greeting := p.talk.upstream.Greeting()
		p.talk.upstream = nil
		c.join(now, d)
		c.greet(now, greeting, d)
	}
}

// greet passes on what the server greeted with before TLS.
func (c *Conn) greet(now int64, b []byte, d engine.Driver) {
	c.hear(now, c.pair.server, b, d)
	if p := c.pair; p != nil { // what the dialogue does not use has passed, and is not offered again
		p.talk.server.ahead, p.talk.seen = 0, 0
	}
}

// shaken is the end of the handshake with the client.
func (c *Conn) shaken(now int64, dropped int, err error, d engine.Driver) {
	p := c.pair
	p.last = now
	if dropped > 0 {
		p.vip.Counters.Injections.Add(1)
	}
	if err != nil {
		p.vip.Refuse(route.CauseTLS)
		c.finish(now, route.EndRefused, engine.Flush, d)
		return
	}
	p.talk.shakes = false
	p.talk.dialogue.Secured(dropped)
	c.hold(p.server, byTLS|byTurn, false, d)
	c.takeLeave(now, d)
}
