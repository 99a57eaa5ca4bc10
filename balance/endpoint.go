package balance

import (
	"crypto/tls"
	"net/netip"
	"sync/atomic"
	"time"
)

// Endpoint is one way to reach a server: address, port and TLS. All services
// of a pool that share them share one Endpoint, so that drivers and cores
// compare endpoints by pointer. The address is resolved by the control plane;
// a data path never asks DNS.
type Endpoint struct {
	Server         ServerID
	Name           string        // the server's name, for records
	Target         string        // host:port as configured, for the control plane
	TLS            *tls.Config   // nil is plain
	StartTLS       *tls.Config   // of a plain connection that is told to begin TLS; nil: none can
	Learned        bool          // the port is what the server's endpoint mapper says, and that of Target means nothing
	ProxyProtocol  int           // version of the PROXY protocol header that a connection begins with; 0: none
	Transparent    bool          // connections come from their client's address
	ConnectTimeout time.Duration // for TCP and TLS together

	addr atomic.Pointer[netip.AddrPort]
}

// Personal reports whether a connection is its client's for good: the server has
// been told whose it is.
func (e *Endpoint) Personal() bool { return e.ProxyProtocol != 0 || e.Transparent }

// Addr returns the address to dial, and false while the name is not resolved.
func (e *Endpoint) Addr() (netip.AddrPort, bool) {
	if a := e.addr.Load(); a != nil {
		return *a, true
	}
	return netip.AddrPort{}, false
}

// SetAddr sets the address that later connections dial.
func (e *Endpoint) SetAddr(a netip.AddrPort) { e.addr.Store(&a) }
