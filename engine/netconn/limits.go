package netconn

import (
	"io"
	"net"
	"net/netip"
	"time"
)

// Reason says why a connection got no core.
type Reason uint8

// The reasons for which a connection is refused.
const (
	_            Reason = iota
	EngineFull          // Config.MaxConns connections are open
	ListenerFull        // Listener.MaxConns are
	SourceFull          // Config.MaxPerSource are, from its address
	ProxyHeader         // a sender of PROXY headers sent none, or a broken one, or not in time
	Handshake           // its TLS handshake failed, or was not over in time
	Stopping            // the engine drains
)

// String returns the reason's word in metrics.
func (r Reason) String() string {
	switch r {
	case EngineFull:
		return "connections"
	case ListenerFull:
		return "vip_connections"
	case SourceFull:
		return "per_source"
	case ProxyHeader:
		return "proxy_header"
	case Handshake:
		return "handshake"
	case Stopping:
		return "stopping"
	default:
		return "none"
	}
}

// admit counts c in, or says why not. The address of a connection that begins
// with a PROXY header is counted later, once it is known.
func (e *Engine) admit(c *conn) Reason {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.draining:
		return Stopping
	case e.cfg.MaxConns > 0 && len(e.conns) >= e.cfg.MaxConns:
		return EngineFull
	case c.ln.MaxConns > 0 && c.ln.conns.Load() >= int64(c.ln.MaxConns):
		return ListenerFull
	}
	if !c.proxied && !e.countSource(c) {
		return SourceFull
	}
	e.conns[c] = struct{}{}
	c.ln.conns.Add(1)
	if c.ln.OnOpen != nil {
		c.ln.OnOpen()
	}
	return 0
}

// countSource counts c at the address of its client, unless that has reached
// the limit. The caller holds e.mu.
func (e *Engine) countSource(c *conn) bool {
	if e.cfg.MaxPerSource <= 0 {
		return true
	}
	source := c.info.Remote.Addr()
	if e.sources[source] >= e.cfg.MaxPerSource {
		return false
	}
	e.sources[source]++
	c.source = source
	return true
}

// admitSource is countSource for a client that a PROXY header named.
func (e *Engine) admitSource(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.countSource(c)
}

// forget counts c out.
func (e *Engine) forget(c *conn) {
	c.ln.conns.Add(-1)
	if c.ln.OnClose != nil {
		c.ln.OnClose()
	}
	e.mu.Lock()
	delete(e.conns, c)
	if c.source != (netip.Addr{}) {
		if e.sources[c.source]--; e.sources[c.source] == 0 {
			delete(e.sources, c.source)
		}
	}
	if len(e.conns) == 0 && e.empty != nil {
		close(e.empty)
		e.empty = nil
	}
	e.mu.Unlock()
}

// The bounds of a polite refusal.
const (
	refusals    = 128                    // at once; more are closed without a word
	refusalTime = 500 * time.Millisecond // for the answer, and for the client's own close
)

// refuse closes nc, which got no core, and counts it. A plain client is told
// why, as far as that costs little.
func (e *Engine) refuse(nc net.Conn, ln *Listener, reason Reason) {
	if ln.OnRefuse != nil {
		ln.OnRefuse(reason)
	}
	if ln.TLS != nil || len(ln.Refuse) == 0 {
		_ = nc.Close()
		return
	}
	if e.refusing.Add(1) > refusals {
		e.refusing.Add(-1)
		_ = nc.Close()
		return
	}
	go func() {
		defer e.refusing.Add(-1)
		tell(nc, ln.Refuse)
	}()
}

// tell writes answer to nc and closes it, after what the client sent has been
// read: closing a socket with unread octets resets it, and the client would
// lose the answer.
func tell(nc net.Conn, answer []byte) {
	_ = nc.SetDeadline(time.Now().Add(refusalTime))
	if _, err := nc.Write(answer); err == nil {
		if w, ok := nc.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
			_, _ = io.CopyN(io.Discard, nc, small)
		}
	}
	_ = nc.Close()
}
