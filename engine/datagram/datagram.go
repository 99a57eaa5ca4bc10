// Package datagram drives flows over UDP: it holds the sockets of VIPs and one
// connected socket for each flow towards its server, so that the system takes
// what comes from anybody else for what it is.
//
// A datagram is passed on at once or dropped, nothing is queued: what a slow
// server or client does not take is lost, and counted, as on any network. Nothing
// is ever sent to a client but what its server has answered, so a sender with
// somebody else's address gains nothing by casbah in between. Flows are bounded;
// those that no server has answered hold a share of them, and the oldest of them
// makes room first.
//
// One goroutine reads each socket of a VIP, another one each flow's. Memory for a
// datagram is taken when there is one.
package datagram

import (
	"casbah/engine"
)

// Most is the longest datagram in octets: 65,507 over IPv4, 65,527 over IPv6, so
// that none is ever cut.
const Most = 64 << 10

// maxUnanswered is how many flows of one VIP may wait for their first answer. Of a
// flood from made-up addresses no more is kept; each costs a port of the system,
// which has some 28,000 unless it is told otherwise (ip_local_port_range).
const maxUnanswered = 8192

// maxTries is how many servers are tried for one datagram.
const maxTries = 3

// Config are the limits of an Engine, and what it tells.
type Config struct {
	Clock        func() int64 // nil: engine.WallClock
	MaxFlows     int          // open at once, together with what Others says; 0: no limit
	Others       func() int   // connections that count as flows do; nil: none
	MaxPerSource int          // flows of one client address; 0: no limit

	// OnPanic is told of a fault in a flow, as engine.Config.OnPanic is.
	OnPanic func(where string, value any, stack []byte)
}

// Listener says what becomes of the datagrams that a Socket receives. Several
// sockets may share one. Make it with NewListener.
type Listener struct {
	*engine.Listener // limits and counters; what it says of TLS, PROXY headers and cores means nothing here
	newFlow          engine.NewFlow
	table            table
}

// NewListener makes a listener with the limits and counters of ln.
func NewListener(ln *engine.Listener, n engine.NewFlow) *Listener {
	return &Listener{Listener: ln, newFlow: n}
}
