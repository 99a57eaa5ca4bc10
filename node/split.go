package node

import (
	"fmt"
	"slices"

	"casbah/route"
)

// splitQueue is how many splits may wait to be told of; each VIP has one an hour
// for each cause.
const splitQueue = 16

// splitText says what led the channels of a virtual connection to different
// servers, and what helps.
func splitText(s route.Split) string {
	first, other := "IN", "OUT"
	if s.First.Out {
		first = "OUT"
	}
	if !s.Other.Out {
		other = "IN"
	}
	return fmt.Sprintf("vip %s: profile %s: a connection of RPC over HTTP has its %s channel on %s (%s) and its %s channel on %s (%s): %s",
		s.VIP, s.Profile, first, s.First.Name, decided(&s.First), other, s.Other.Name, decided(&s.Other), splitAdvice[s.Cause])
}

// splitAdvice is what helps, by cause.
var splitAdvice = [route.SplitCauses]string{
	route.SplitLost:    "the server of the first cannot serve the second; the client opens both anew",
	route.SplitPinned:  "its login had tied the connection that the second came on to another server; give the chain step rpc_connection",
	route.SplitAddress: "they came from two addresses; put step rpc_connection first in the chain",
	route.SplitUnbound: "nothing in a request told whose it is, so the algorithm chose; give the chain step rpc_connection or source_ip",
	route.SplitKeys:    "what the two requests show is bound to two servers; put step rpc_connection first in the chain",
}

// decided says in words how the server of ch was chosen.
func decided(ch *route.Channel) string {
	if ch.Step == "" {
		return fmt.Sprintf("from %s, %s", ch.Source, ch.Why)
	}
	return fmt.Sprintf("from %s, %s by %s", ch.Source, ch.Why, ch.Step)
}

// watchSplits has the channels of v tell of splits, without waiting for anybody.
func (n *Node) watchSplits(v *builtVIP) {
	v.route.Split = func(s route.Split) {
		select {
		case n.splits <- s:
		default: // the counter has it
		}
	}
}

// RPCStatus are the figures of a VIP about RPC over HTTP; see route.RPC.
type RPCStatus struct {
	Connections, Channels uint64
	Unread, Late          uint64
	Splits                map[string]uint64 // by cause
}

// servesRPC reports whether a profile of v has channels of RPC over HTTP.
func servesRPC(v *route.VIP) bool {
	return slices.ContainsFunc(v.Profiles, func(p *route.Profile) bool { return p.Allows([]byte("RPC_IN_DATA")) })
}

func rpcStatus(r *route.RPC) *RPCStatus {
	s := &RPCStatus{
		Connections: r.Connections.Load(), Channels: r.Channels.Load(),
		Unread: r.Unread.Load(), Late: r.Late.Load(), Splits: make(map[string]uint64),
	}
	for i := range r.Splits {
		s.Splits[route.SplitCause(i).String()] = r.Splits[i].Load()
	}
	return s
}
