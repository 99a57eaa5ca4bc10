package netconn

import (
	"io"
	"net"
	"time"

	"casbah/engine"
	"casbah/engine/bounds"
)

// admit counts c in, or says why not. The address of a connection that begins
// with a PROXY header is counted later, once it is known.
func (e *Engine) admit(c *conn) engine.Reason {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.draining:
		return engine.Stopping
	case e.cfg.Full(e.clients.Load()):
		return engine.EngineFull
	case !c.proxied && !e.admitSource(c):
		return engine.SourceFull
	case !c.ln.Admit():
		e.sources.Leave(c.source)
		return engine.ListenerFull
	}
	e.conns[c] = struct{}{}
	e.clients.Add(1)
	return 0
}

// admitSource counts c at the address of its client, unless that has reached
// the limit.
func (e *Engine) admitSource(c *conn) bool {
	source := c.info.Remote.Addr()
	if !e.sources.Admit(source) {
		return false
	}
	c.source = source
	return true
}

// forget counts c out.
func (e *Engine) forget(c *conn) {
	c.ln.Leave()
	if !c.stream {
		e.sources.Leave(c.source)
		e.clients.Add(-1)
	}
	e.mu.Lock()
	delete(e.conns, c)
	if len(e.conns) == 0 && e.empty != nil {
		close(e.empty)
		e.empty = nil
	}
	e.mu.Unlock()
}

// refuse closes nc, which got no core, and counts it. A plain client is told
// why, as far as that costs little.
func (e *Engine) refuse(nc net.Conn, ln *engine.Listener, reason engine.Reason) {
	ln.Refused(reason)
	if ln.TLS != nil || len(ln.Refuse) == 0 {
		_ = nc.Close()
		return
	}
	if e.refusing.Add(1) > bounds.Refusals {
		e.refusing.Add(-1)
		_ = nc.Close()
		return
	}
	e.running.Go(func() {
		defer e.refusing.Add(-1)
		tell(nc, ln.Refuse)
	})
}

// tell writes answer to nc and closes it, after what the client sent has been
// read: closing a socket with unread octets resets it, and the client would
// lose the answer.
func tell(nc net.Conn, answer []byte) {
	_ = nc.SetDeadline(time.Now().Add(bounds.RefusalTime))
	if _, err := nc.Write(answer); err == nil {
		if w, ok := nc.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
			_, _ = io.CopyN(io.Discard, nc, small)
		}
	}
	_ = nc.Close()
}
