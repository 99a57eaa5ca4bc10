package node

import (
	"slices"
	"time"

	"casbah/engine"
	"casbah/engine/datagram"
	"casbah/engine/netconn"
	"casbah/internal/logs"
	"casbah/route"
)

// openEngine makes the driver that the configuration names.
func (n *Node) openEngine() (engine.Engine, error) {
	conf := engine.Config{
		MaxConns:     n.config.Limits.Connections,
		MaxPerSource: n.config.Limits.PerSource,
		OnPanic:      n.panicked,
	}
	if n.config.Engine == "net" {
		n.streams = netconn.New(conf)
		return n.streams, nil
	}
	both, err := withStreams(&conf, func(c engine.Config) (engine.Engine, error) { return openReactor(c, n.config.Loops) })
	if err != nil {
		return nil, err
	}
	n.streams = both.streams
	return both, nil
}

// lags returns how long each event loop lets wait what comes to it; nothing of a
// driver that has no loops.
func (n *Node) lags() []time.Duration {
	main := n.engine
	if both, ok := main.(*drivers); ok {
		main = both.Engine
	}
	if e, ok := main.(interface{ Lags() []time.Duration }); ok {
		return e.Lags()
	}
	return nil
}

// Lag returns how long the event loop that lags most lets wait what comes to it.
func (n *Node) Lag() time.Duration {
	if lags := n.lags(); len(lags) > 0 {
		return slices.Max(lags)
	}
	return 0
}

// newFlows makes the driver of flows. A flow counts as a connection for who asks
// for a flow, and not for who connects: anybody can make up a flow.
func (n *Node) newFlows() *datagram.Engine {
	return datagram.New(datagram.Config{
		MaxFlows:     n.config.Limits.Connections,
		Others:       n.engine.Open,
		MaxPerSource: n.config.Limits.PerSource,
		OnPanic:      n.panicked,
	})
}

// panicked tells of a connection or flow that a fault has ended.
func (n *Node) panicked(where string, value any, stack []byte) {
	n.panics.Add(1)
	if stack != nil {
		n.logs.Of(logs.Engine).Error().Str("where", where).Interface("value", value).Bytes("stack", stack).
			Msg("a connection was ended by a fault of casbah's own; please report it")
	}
}

// causeOf turns the driver's reason into the word of the VIP's counters.
func causeOf(r engine.Reason) route.Cause {
	switch r {
	case engine.SourceFull:
		return route.CauseSource
	case engine.ProxyHeader:
		return route.CauseProxy
	case engine.Handshake:
		return route.CauseTLS
	case engine.Stopping:
		return route.CauseStopping
	case engine.ListenerFull:
		return route.CauseVIPLimit
	case engine.Descriptors:
		return route.CauseDescriptors
	default:
		return route.CauseConnLimit
	}
}
