package relay

import (
	"sync/atomic"

	"casbah/route"
)

// VIP is one virtual service of one snapshot, with what is done for its
// connections beside passing octets on. It is immutable.
type VIP struct {
	*route.VIP

	// Read returns the reader of a connection that opens; nil: a server is chosen
	// before the client has said anything.
	Read func() Reader

	// Speaks is what goes through a dialogue; nil: octets move unread.
	Speaks *Protocol
	// Options are those of every dialogue, but for what is encrypted.
	Options Options
}

// Current is where the connections of one VIP find the snapshot in force.
type Current = atomic.Pointer[VIP]
