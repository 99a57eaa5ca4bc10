// Package transparent has connections to servers come from the addresses of the
// clients (IP_TRANSPARENT). Linux alone lets a process do so, if that has the right;
// and what servers answer must be routed back to
// this host, of which it knows nothing.
package transparent

import (
	"errors"
	"fmt"
	"net/netip"
)

// From returns the address that a connection comes from which a client has to
// a server: its own, at a port that the system chooses.
func From(client, server netip.Addr) (netip.AddrPort, error) {
	client, server = client.Unmap(), server.Unmap()
	switch {
	case !client.IsValid():
		return netip.AddrPort{}, errors.New("transparent: the client has left, and its address with it")
	case client.Is4() != server.Is4():
		return netip.AddrPort{}, fmt.Errorf("transparent: client %s and server %s have no family of addresses in common", client, server)
	default:
		return netip.AddrPortFrom(client, 0), nil
	}
}
