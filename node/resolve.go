package node

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"casbah/balance"
)

// resolveEvery is how often the names of servers are looked up again.
const resolveEvery = 30 * time.Second

// resolveTimeout bounds one look-up.
const resolveTimeout = 5 * time.Second

// portOf returns the port of a target.
func portOf(target string) (uint16, error) {
	_, port, err := net.SplitHostPort(target)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return uint16(n), err
}

// resolve sets the address of e. A name that cannot be found leaves the address
// that was found before.
func resolve(ctx context.Context, e *balance.Endpoint) error {
	host, port, err := net.SplitHostPort(e.Target)
	if err != nil {
		return fmt.Errorf("server %s: address %s: %w", e.Name, e.Target, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("server %s: port %s: %w", e.Name, port, err)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		e.SetAddr(netip.AddrPortFrom(a, uint16(n)))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("server %s: %w", e.Name, err)
	}
	if old, ok := e.Addr(); ok {
		for _, a := range addrs {
			if a.Unmap() == old.Addr() {
				return nil
			}
		}
	}
	e.SetAddr(netip.AddrPortFrom(addrs[0].Unmap(), uint16(n)))
	return nil
}
