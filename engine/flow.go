package engine

import "casbah/balance"

// Ending says why a flow is over.
type Ending uint8

// The endings of a flow.
const (
	Expired Ending = iota // Tick said so
	Evicted               // nobody has answered it yet, and a new flow needs its room
	Killed                // the driver stops
)

// Flow is the protocol of one flow: the datagrams between one client, by its
// address and port, and one address of a VIP. Like a Core it does no I/O, its
// calls are serial and never re-entered, and now is in nanoseconds since the Unix
// epoch.
type Flow interface {
	// Choose returns where the client's datagrams go from now on. It is asked when
	// one has come and no server is there; nil drops it, and asks again with the next.
	Choose(now int64) *balance.Endpoint
	// Unreached tells that the endpoint chosen last cannot be reached, or has said
	// that nobody listens there. Nothing that it sends is passed on any more.
	Unreached(now int64)
	// Sent tells of a datagram of n octets that went to the server.
	Sent(now int64, n int)
	// Answered tells of a datagram of n octets that came from the server.
	Answered(now int64, n int)
	// Dropped tells of a datagram, of either side, that could not be passed on.
	Dropped()
	// Tick returns when it wants to be called next; 0 ends the flow. It is called
	// first when the flow begins, and may be called late, never early.
	Tick(now int64) (next int64)
	// Close is the last call.
	Close(now int64, why Ending)
}

// NewFlow makes the protocol of a flow that begins.
type NewFlow func(Conn) Flow
