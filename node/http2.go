package node

import (
	"crypto/tls"
	"slices"

	"casbah/engine"
	"casbah/engine/h2"
	"casbah/protocols/http1"
	"casbah/route"
)

// sessions returns what serves the connections of e that choose HTTP/2. Their
// streams are driven by the engine that accepts them.
func (n *Node) sessions(e *entry) engine.NewSession {
	counters := e.current.Load().Counters
	s := &h2.Server{
		Attach: n.streams.Attach,
		Fault:  n.streams.Fault,
		Cores: &engine.Listener{
			New:      func(c engine.Conn) engine.Core { return http1.New(&e.current, c) },
			OnRefuse: func(r engine.Reason) { counters.Refused[causeOf(r)].Add(1) },
		},
		Terms: func() h2.Terms {
			v := e.current.Load()
			return h2.Terms{HeadBytes: v.HeadBytes, IdleTimeout: v.IdleTimeout, Leaving: v.Retired || !v.HTTP2}
		},
		OnOpen: func() {
			counters.HTTP2.Conns.Add(1)
			counters.HTTP2.Accepted.Add(1)
		},
		OnClose: func() { counters.HTTP2.Conns.Add(-1) },
		OnCalm:  func() { counters.HTTP2.Calmed.Add(1) },
	}
	return s.Session
}

// offerHTTP2 has conf let clients choose HTTP/2, which they do if they know it.
func offerHTTP2(conf *tls.Config) { conf.NextProtos = slices.Insert(conf.NextProtos, 0, "h2") }

// HTTP2Status are the clients of a VIP that speak HTTP/2.
type HTTP2Status struct {
	Connections        int64  // open now
	Accepted, Requests uint64 // since start
	Calmed             uint64 // connections closed because their client took back request after request
}

// http2Status returns nil for a VIP that does not offer it and has no connection
// from when it did.
func http2Status(v *route.VIP) *HTTP2Status {
	c := &v.Counters.HTTP2
	if !v.HTTP2 && c.Conns.Load() == 0 {
		return nil
	}
	return &HTTP2Status{Connections: c.Conns.Load(), Accepted: c.Accepted.Load(), Requests: c.Requests.Load(), Calmed: c.Calmed.Load()}
}
