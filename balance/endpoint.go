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
	ProxyProtocol  int           // version of the PROXY protocol header that a connection begins with; 0: none
	ConnectTimeout time.Duration // for TCP and TLS together

	addr atomic.Pointer[netip.AddrPort]
}

// Addr returns the address to dial, and false while the name is not resolved.
func (e *Endpoint) Addr() (netip.AddrPort, bool) {
	if a := e.addr.Load(); a != nil {
		return *a, true
	}
	return netip.AddrPort{}, false
}

// SetAddr sets the address that later connections dial.
func (e *Endpoint) SetAddr(a netip.AddrPort) { e.addr.Store(&a) }
