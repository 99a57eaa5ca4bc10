package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"casbah/engine"
	"casbah/engine/netconn"
	"casbah/profiles"
	"casbah/protocols/http1"
	"casbah/route"
)

// entry is where the connections of one VIP enter: what is in force for them,
// and the listeners. It outlives reloads.
type entry struct {
	conf    profiles.VIP
	current route.Current
	tls     atomic.Pointer[tls.Config]
	sockets map[netip.AddrPort]*socket // by the address as configured
}

func newEntry() *entry { return &entry{sockets: make(map[netip.AddrPort]*socket)} }

// addrs returns the addresses of the listeners, in the order of the configuration.
func (e *entry) addrs() []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(e.conf.Listen))
	for _, conf := range e.conf.Listen {
		out = append(out, e.sockets[conf].addr())
	}
	return out
}

// socket is one open listener.
type socket struct {
	vip      string
	kind     string         // type of the VIP: what is spoken on it
	conf     netip.AddrPort // as configured
	net      net.Listener
	listener *netconn.Listener // nil before it is served
}

// addr returns the address that the listener has, its port chosen by the system
// where the configuration says 0.
func (s *socket) addr() netip.AddrPort {
	if a, ok := s.net.Addr().(*net.TCPAddr); ok {
		return a.AddrPort()
	}
	return s.conf
}

// close stops accepting. Open connections go on.
func (s *socket) close() { s.net.Close() } // a listener that is closed twice is closed

// open opens the listeners that snap names and that are not open yet. On an
// error those that it opened are closed again.
func (n *Node) open(ctx context.Context, snap *snapshot) ([]*socket, error) {
	var opened []*socket
	for _, v := range snap.vips {
		for i, addr := range v.conf.Listen {
			if slices.Contains(v.conf.Listen[:i], addr) || n.listens(v.conf, addr) {
				continue
			}
			s, err := n.listen(ctx, v.conf, addr)
			if err != nil {
				for _, s := range opened {
					s.close()
				}
				return nil, err
			}
			opened = append(opened, s)
		}
	}
	return opened, nil
}

// listens reports whether the VIP has the address already.
func (n *Node) listens(conf *profiles.VIP, addr netip.AddrPort) bool {
	e := n.entries[conf.Name]
	return e != nil && e.sockets[addr] != nil && e.sockets[addr].kind == conf.Type
}

// listen opens one listener.
func (n *Node) listen(ctx context.Context, conf *profiles.VIP, addr netip.AddrPort) (*socket, error) {
	lc := net.ListenConfig{}
	if n.holds(addr) {
		return nil, fmt.Errorf("vip %s: listen %s: another VIP, or this one with another type, has the address; remove it there first, reload, and then add it here", conf.Name, addr)
	}
	ln, err := lc.Listen(ctx, "tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("vip %s: %w", conf.Name, err)
	}
	return &socket{vip: conf.Name, kind: conf.Type, conf: addr, net: ln}, nil
}

// holds reports whether a listener of this node has the address.
func (n *Node) holds(addr netip.AddrPort) bool {
	for _, e := range n.entries {
		if e.sockets[addr] != nil {
			return true
		}
	}
	return false
}

// serve lets connections in at s.
func (n *Node) serve(s *socket) {
	e := n.entries[s.vip]
	counters := e.current.Load().Counters
	s.listener = &netconn.Listener{
		Net:       s.net,
		New:       func(c engine.Conn) engine.Core { return http1.New(&e.current, c) },
		ProxyFrom: e.conf.AcceptProxyFrom,
		Refuse:    []byte(busy),
		OnRefuse:  func(r netconn.Reason) { counters.Refused[causeOf(r)].Add(1) },
		OnOpen: func() {
			counters.Conns.Add(1)
			counters.Accepted.Add(1)
		},
		OnClose: func() { counters.Conns.Add(-1) },
	}
	if e.tls.Load() != nil {
		// Each handshake takes the configuration in force. The outer one
		// holds nothing but the way to it.
		s.listener.TLS = &tls.Config{GetConfigForClient: e.config, MinVersion: tls.VersionTLS10, DynamicRecordSizingDisabled: true} //nolint:gosec // G402: the inner one has the version
	}
	n.work.Go(func() {
		if err := n.engine.Serve(s.listener); err != nil {
			n.log.Error().Err(err).Str("vip", s.vip).Stringer("listen", s.conf).Msg("the listener has ended")
		}
	})
}

// busy is what a plain client over a limit is told.
const busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// causeOf turns the driver's reason into the word of the VIP's counters.
func causeOf(r netconn.Reason) route.Cause {
	switch r {
	case netconn.SourceFull:
		return route.CauseSource
	case netconn.ProxyHeader:
		return route.CauseProxy
	case netconn.Handshake:
		return route.CauseTLS
	case netconn.Stopping:
		return route.CauseStopping
	default:
		return route.CauseConnLimit
	}
}

// engineConfig is the driver's configuration.
func (n *Node) engineConfig() netconn.Config {
	return netconn.Config{
		MaxConns:     n.config.Limits.Connections,
		MaxPerSource: n.config.Limits.PerSource,
		OnPanic: func(where string, value any, stack []byte) {
			n.panics.Add(1)
			if stack != nil {
				n.log.Error().Str("where", where).Interface("value", value).Bytes("stack", stack).
					Msg("a connection was ended by a fault of casbah's own; please report it")
			}
		},
	}
}
