package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"casbah/engine"
	"casbah/engine/datagram"
	"casbah/internal/logs"
	"casbah/profiles"
	"casbah/protocols/http1"
	"casbah/protocols/relay"
	"casbah/route"
	"casbah/tlsterm"
)

// entry is where the connections of one VIP enter: what is in force for them,
// and the sockets. It outlives reloads that leave the VIP its type.
type entry struct {
	conf    profiles.VIP
	current route.Current
	relayed relay.Current // the same, where octets or datagrams are passed on
	tls     atomic.Pointer[tlsterm.Sessions]

	challenges *tlsterm.Challenges // which handshakes are answered before that

	listener *engine.Listener           // nil before the first socket is served
	flows    *datagram.Listener         // the same of a udp VIP
	sockets  map[netip.AddrPort]*socket // by the address as configured
}

func newEntry(challenges *tlsterm.Challenges) *entry {
	return &entry{challenges: challenges, sockets: make(map[netip.AddrPort]*socket)}
}

// addrs returns the addresses of the listeners, in the order of the configuration.
func (e *entry) addrs() []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(e.conf.Listen))
	for _, conf := range e.conf.Listen {
		out = append(out, e.sockets[conf].net.Addr())
	}
	return out
}

// socket is one open address of a VIP.
type socket struct {
	vip     string
	conf    netip.AddrPort // as configured
	udp     bool           // has ports of its own
	streams bool           // its connections may speak HTTP/2
	net     interface {    // an engine.Socket, or a datagram.Socket
		Addr() netip.AddrPort
		Close()
	}
}

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
					s.net.Close()
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
	if e == nil || e.sockets[addr] == nil || e.conf.Type != conf.Type {
		return false
	}
	return !conf.HTTP2 || e.sockets[addr].streams
}

// listen opens one listener.
func (n *Node) listen(ctx context.Context, conf *profiles.VIP, addr netip.AddrPort) (*socket, error) {
	udp := conf.Type == "udp"
	if e := n.entries[conf.Name]; conf.HTTP2 && e != nil && e.sockets[addr] != nil && e.conf.Type == conf.Type {
		return nil, fmt.Errorf("vip %s: http2: listen %s: the address was opened for HTTP/1.1 alone; start casbah again, or give the VIP another address", conf.Name, addr)
	}
	if n.holds(addr, udp) {
		return nil, fmt.Errorf("vip %s: listen %s: another VIP, or this one with another type, has the address; remove it there first, reload, and then add it here", conf.Name, addr)
	}
	s := &socket{vip: conf.Name, conf: addr, udp: udp, streams: conf.HTTP2 || n.config.Engine == "net"}
	var err error
	switch {
	case udp:
		s.net, err = n.flows.Listen(ctx, addr)
	case s.streams:
		s.net, err = n.streams.Listen(ctx, addr)
	default:
		s.net, err = n.engine.Listen(ctx, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("vip %s: %w", conf.Name, err)
	}
	return s, nil
}

// holds reports whether a listener of this node has the address.
func (n *Node) holds(addr netip.AddrPort, udp bool) bool {
	for _, e := range n.entries {
		if s := e.sockets[addr]; s != nil && s.udp == udp {
			return true
		}
	}
	return false
}

// serve lets connections in at s.
func (n *Node) serve(s *socket) {
	e := n.entries[s.vip]
	if e.listener == nil {
		e.listener = n.newListener(e)
	}
	ln, flows := e.listener, e.flows
	n.work.Go(func() {
		if err := s.serve(ln, flows); err != nil {
			n.logs.Of(logs.Engine).Error().Err(err).Str("vip", s.vip).Stringer("listen", s.conf).Msg("the listener has ended")
		}
	})
}

// serve lets connections or flows in, until the socket is closed.
func (s *socket) serve(ln *engine.Listener, flows *datagram.Listener) error {
	switch sock := s.net.(type) {
	case engine.Socket:
		return sock.Serve(ln)
	case *datagram.Socket:
		return sock.Serve(flows)
	default:
		panic("BUG: a socket of a kind that nobody opens")
	}
}

// newListener returns what becomes of the connections of e, at all addresses
// of it.
func (n *Node) newListener(e *entry) *engine.Listener {
	counters := e.current.Load().Counters
	ln := &engine.Listener{
		ProxyFrom: e.conf.AcceptProxyFrom,
		MaxConns:  e.conf.Connections,
		OnRefuse:  func(r engine.Reason) { counters.Refused[causeOf(r)].Add(1) },
		OnOpen: func() {
			counters.Conns.Add(1)
			counters.Accepted.Add(1)
		},
		OnClose: func() { counters.Conns.Add(-1) },
	}
	switch e.conf.Type {
	case "tcp", "tls", "ssl_bridge":
		ln.New = func(c engine.Conn) engine.Core { return relay.New(&e.relayed, c) }
		switch e.conf.Type {
		case "tls":
			ln.TLS = outer(e.config)
		case "tcp": // a reload may offer it
			ln.StartTLS = outer(e.inForce)
		}
		return ln
	case "udp":
		e.flows = datagram.NewListener(ln, func(c engine.Conn) engine.Flow { return relay.NewFlow(&e.relayed, c) })
		return ln
	}
	ln.New = func(c engine.Conn) engine.Core { return http1.New(&e.current, c) }
	ln.Refuse = []byte(busy)
	if e.conf.Type == "https" {
		ln.TLS = outer(e.config)
		ln.Session = n.sessions(e)
	}
	return ln
}

// outer is what a listener holds in place of the TLS configuration in force, which
// each handshake takes: nothing but the way to it.
func outer(inner func(*tls.ClientHelloInfo) (*tls.Config, error)) *tls.Config {
	return &tls.Config{GetConfigForClient: inner, MinVersion: tls.VersionTLS10, DynamicRecordSizingDisabled: true} //nolint:gosec // G402: the inner one has the version
}

// busy is what a plain client over a limit is told.
const busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
