package engine

import (
	"crypto/tls"
	"net/netip"
	"sync/atomic"
)

// Reason says why a connection got no core.
type Reason uint8

// The reasons for which a connection is refused.
const (
	_            Reason = iota
	EngineFull          // Config.MaxConns connections are open
	ListenerFull        // Listener.MaxConns are
	SourceFull          // Config.MaxPerSource are, from its address
	Descriptors         // the system has no file descriptor, or no memory, for one more
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
	case Descriptors:
		return "descriptors"
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

// Listener says what becomes of the connections that a Socket accepts. Several
// sockets may share one. Its fields may not change once it is served.
type Listener struct {
	// TLS is nil where connections are plain. One serves all loops of a driver:
	// ticket keys that are set later must reach each of them, and do not reach a
	// clone.
	TLS *tls.Config
	// StartTLS is what a plain connection speaks once its core calls StartTLS;
	// nil: that fails.
	StartTLS *tls.Config
	New      NewCore // called for each connection once its handshake is over

	// Session serves a connection whose client has chosen HTTP/2 (h2) by ALPN, in
	// place of a core; nil: TLS offers it to nobody. Netconn alone has sessions.
	Session NewSession
	// ProxyFrom lists the senders of PROXY protocol headers. A listed one that
	// sends none is refused; a header from any other is not read as one.
	// SetProxyFrom replaces it while the listener is served.
	ProxyFrom []netip.Prefix

	MaxConns int    // connections open at once; 0: no limit. SetMaxConns replaces it
	Refuse   []byte // what a plain listener tells a connection over a limit; nil: nothing

	OnRefuse func(Reason) // counts a connection that gets no core; nil: nobody counts
	OnOpen   func()       // counts a connection that is let in; nil: nobody counts
	OnClose  func()       // counts its end, once per OnOpen

	proxyFrom atomic.Pointer[[]netip.Prefix]
	maxConns  atomic.Int64 // of SetMaxConns, plus 1; 0: MaxConns
	open      atomic.Int64
}

// SetProxyFrom replaces ProxyFrom for connections accepted from now on.
func (ln *Listener) SetProxyFrom(from []netip.Prefix) { ln.proxyFrom.Store(&from) }

// SetMaxConns replaces MaxConns for connections accepted from now on.
func (ln *Listener) SetMaxConns(n int) { ln.maxConns.Store(int64(n) + 1) }

// Trusts reports whether a connection from a begins with a PROXY header.
func (ln *Listener) Trusts(a netip.Addr) bool {
	from := ln.ProxyFrom
	if p := ln.proxyFrom.Load(); p != nil {
		from = *p
	}
	for _, prefix := range from {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// Open returns how many connections of ln are open, those in their handshake
// included.
func (ln *Listener) Open() int { return int(ln.open.Load()) }

// Admit counts a connection in and reports whether there was room for it. A
// driver calls it, and Leave once for each true answer.
func (ln *Listener) Admit() bool {
	limit := int64(ln.MaxConns)
	if n := ln.maxConns.Load(); n > 0 {
		limit = n - 1
	}
	if n := ln.open.Add(1); limit > 0 && n > limit {
		ln.open.Add(-1)
		return false
	}
	if ln.OnOpen != nil {
		ln.OnOpen()
	}
	return true
}

// Leave counts a connection out.
func (ln *Listener) Leave() {
	ln.open.Add(-1)
	if ln.OnClose != nil {
		ln.OnClose()
	}
}

// Refused counts a connection that got no core.
func (ln *Listener) Refused(r Reason) {
	if ln.OnRefuse != nil {
		ln.OnRefuse(r)
	}
}
