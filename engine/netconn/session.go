package netconn

import "casbah/engine"

// h2 is the name of HTTP/2 over TLS in ALPN (RFC 9113, Section 3.1).
const h2 = "h2"

// multiplexed reports whether the client has chosen HTTP/2.
func (c *conn) multiplexed() bool {
	w := c.client.wire
	return c.ln.Session != nil && w.tls != nil && w.tls.ConnectionState().NegotiatedProtocol == h2
}

// serveSession has a session serve c in place of a core, and ends c with it.
func (c *conn) serveSession() {
	if panicked := c.trySession(); panicked {
		c.client.wire.sock.reset()
	}
	l := c.client
	c.mu.Lock()
	if !l.gone { // else by Kill
		c.detach(l)
	}
	l.reading = false
	l.shutdown()
	c.release(l)
	c.unlock()
}

// trySession is the life of the session, a fault of which ends this connection
// alone.
func (c *conn) trySession() (panicked bool) {
	defer func() {
		if value := recover(); value != nil {
			panicked = true
			c.engine.faults.Note(value, c.engine.cfg.OnPanic)
		}
	}()
	s := c.ln.Session(c.client.wire.tls, c.info)
	c.mu.Lock()
	c.session = s
	drains, gone := c.ticks[engine.Drain], c.client.gone
	c.mu.Unlock()
	if gone {
		return false // killed: its socket is closed
	}
	if drains {
		s.Drain()
	}
	s.Serve()
	return false
}

// Fault takes note of a panic in a goroutine of a session, as of that of a core.
func (e *Engine) Fault(value any) { e.faults.Note(value, e.cfg.OnPanic) }
