package netconn

import (
	"net"

	"casbah/engine"
)

// Attach drives nc as the client leg of a core, for a stream of a connection that
// is open: it counts to ln, and to no limit but that there are not more streams
// than there may be connections. Info is what the core is told, its Conn.Stream
// set. Attach does not block.
//
// The caller learns of the end by the Close of nc, and tells of that of the
// client by hangUp, which may be called at any time: a core that holds its client
// does not read. Without ok there is no room, or casbah stops: nc stays as it is.
func (e *Engine) Attach(nc net.Conn, info engine.Conn, ln *engine.Listener) (hangUp func(error), ok bool) {
	c := newConn(e, ln, nc)
	c.info, c.proxied, c.stream = info, false, true
	if !e.admitStream(c) {
		ln.Refused(engine.EngineFull)
		return nil, false
	}
	e.running.Go(c.serve)
	return c.hangUp, true
}

// admitStream counts c in.
func (e *Engine) admitStream(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	streams := int64(len(e.conns)) - e.clients.Load()
	if e.killed || e.cfg.MaxConns > 0 && streams >= int64(e.cfg.MaxConns) || !c.ln.Admit() {
		return false
	}
	e.conns[c] = struct{}{}
	return true
}

// hangUp is the turn of a client that has gone, whether its leg reads or not.
func (c *conn) hangUp(err error) {
	c.mu.Lock()
	if l := c.client; !l.gone && !c.over {
		c.now = c.engine.clock()
		l.failure, l.writeErr = err, err
		c.due = true
	}
	c.leave()
}
