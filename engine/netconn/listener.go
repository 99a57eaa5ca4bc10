package netconn

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"casbah/engine"
)

// Listener says what becomes of the connections that one net.Listener accepts.
// Its fields may not change once it is served.
type Listener struct {
	Net net.Listener   // closed by its owner, which ends Serve
	TLS *tls.Config    // nil is plain
	New engine.NewCore // called for each connection once its handshake is over

	// ProxyFrom lists the senders of PROXY protocol headers. A listed one that
	// sends none is refused; a header from any other is not read as one.
	// SetProxyFrom replaces it while the listener is served.
	ProxyFrom []netip.Prefix

	MaxConns int    // connections open at once; 0: no limit
	Refuse   []byte // what a plain listener tells a connection over a limit; nil: nothing

	OnRefuse func(Reason) // counts a connection that gets no core; nil: nobody counts
	OnOpen   func()       // counts a connection that is let in; nil: nobody counts
	OnClose  func()       // counts its end, once per OnOpen

	proxyFrom atomic.Pointer[[]netip.Prefix]
	conns     atomic.Int64
	server    atomic.Pointer[tls.Config] // TLS as handshakes use it
}

// SetProxyFrom replaces ProxyFrom for connections accepted from now on.
func (ln *Listener) SetProxyFrom(from []netip.Prefix) { ln.proxyFrom.Store(&from) }

// trusts reports whether a connection from a begins with a PROXY header.
func (ln *Listener) trusts(a netip.Addr) bool {
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

// tlsConfig returns TLS with full records from the start: small first ones
// cost a seal each, and the reader of an answer waits for all of them anyway.
func (ln *Listener) tlsConfig() *tls.Config {
	if ln.TLS == nil || ln.TLS.DynamicRecordSizingDisabled {
		return ln.TLS
	}
	if cfg := ln.server.Load(); cfg != nil {
		return cfg
	}
	// A clone made twice by two first connections would do no harm but split
	// the ticket keys, so all use the one that was stored first.
	cfg := ln.TLS.Clone()
	cfg.DynamicRecordSizingDisabled = true
	ln.server.CompareAndSwap(nil, cfg)
	return ln.server.Load()
}

// The wait after a shortage of file descriptors or memory.
const (
	acceptWaitMin = 5 * time.Millisecond
	acceptWaitMax = time.Second
)

// Serve drives the connections that ln.Net accepts, until ln.Net is closed;
// then it returns nil. Connections go on. It outlives shortages of file
// descriptors and memory; any other error of Accept ends it.
func (e *Engine) Serve(ln *Listener) error {
	wait := acceptWaitMin
	for {
		nc, err := ln.Net.Accept()
		switch {
		case err == nil:
			wait = acceptWaitMin
			e.ServeConn(nc, ln)
		case errors.Is(err, net.ErrClosed):
			return nil
		case !transient(err):
			return err
		default:
			time.Sleep(wait)
			wait = min(2*wait, acceptWaitMax)
		}
	}
}

// transient reports whether Accept may work again when others have let go of
// file descriptors or memory, or failed for one connection only.
func transient(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, syscall.ECONNABORTED)
}

// ServeConn drives nc as if ln.Net had accepted it. It does not block.
func (e *Engine) ServeConn(nc net.Conn, ln *Listener) {
	c := newConn(e, ln, nc)
	if reason := e.admit(c); reason != 0 {
		e.refuse(nc, ln, reason)
		return
	}
	go c.serve()
}
