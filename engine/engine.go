// Package engine is the contract between protocol cores and drivers.
//
// A core is the protocol of one client connection. It does no I/O: it holds no
// socket, clock or goroutine. A driver calls it with what happened on one of
// its legs, and the core answers by calls to the driver. So a core is tested
// byte by byte, fuzzed, and behaves the same under every driver.
package engine

import (
	"crypto/x509"
	"net/netip"

	"casbah/balance"
)

// Leg numbers the connections of one core: 0 is the client, 1 and up are
// upstream connections. A number is free again once its leg is closed.
type Leg uint8

// Client is the leg of the client connection.
const Client Leg = 0

// How says in what way a leg is closed.
type How uint8

// The ways to close a leg. After any but Half nothing more is reported of it.
const (
	Flush How = iota // what was sent leaves, then FIN; nothing more is read
	Done             // as Flush, of a peer that has said that it sends nothing more: no driver need wait for it
	Half             // what was sent leaves, then FIN; reading goes on
	Reset            // at once; what was not sent is lost
	Park             // upstream only: kept open for a later Dial of the same endpoint with reuse
)

// Cause says why Tick is called.
type Cause uint8

// The causes of a Tick.
const (
	Deadline Cause = iota // the time set by Wake has come
	Drain                 // finish what is open, begin nothing new
	Kill                  // close everything now; legs still open after this call are reset
	Woken                 // Waker was told so; there may be nothing to find
)

// Causes is how many causes there are.
const Causes = int(Woken) + 1

// Core is the protocol of one client connection. Calls are serial and never
// re-entered; now is in nanoseconds since the Unix epoch and never goes back.
// The connection is over when the core has closed every leg, or when every leg
// has been reported as ended with an error.
type Core interface {
	// Bytes offers p, which the core may rewrite and may not keep. What it does
	// not use is offered again, with more behind it, or after Hold(l, false).
	Bytes(now int64, l Leg, p []byte, d Driver) (used int)
	// Dialed answers Dial: TCP and TLS are up, or not. reused tells that the
	// connection was parked before; after an error l is free.
	Dialed(now int64, l Leg, reused bool, err error, d Driver)
	// Secured answers StartTLS: TLS is up, or not. Dropped is how many octets
	// StartTLS discarded. After an error l is closed, and free.
	Secured(now int64, l Leg, dropped int, err error, d Driver)
	// End reports that l sends nothing more. A nil err is a FIN: what was read
	// before it has been offered, and l can still be sent to. Otherwise l is
	// gone in both directions and free once the call returns, and what was sent to
	// other legs before has left, as far as they take it: no reset by the core
	// overtakes what l said. Under TLS a FIN is one with a close_notify; without, anybody may have sent it, and err is
	// io.ErrUnexpectedEOF (RFC 8446, Section 6.1).
	End(now int64, l Leg, err error, d Driver)
	// Drained tells that what a full leg held back has left.
	Drained(now int64, l Leg, d Driver)
	// Moved reports octets of a Move from leg from since the last report. The
	// Move is done when the reports add up to its length. A driver reports at
	// least before it calls Tick and before it reports an End, so that a core
	// sees progress without being called for every read.
	Moved(now int64, from Leg, n int64, d Driver)
	// Tick is called once the connection is open, with Deadline, so that a core
	// may set one before its client says anything; then when the deadline set by
	// Wake has come, on drain and kill, and when another connection has woken this one.
	Tick(now int64, why Cause, d Driver)
}

// Driver moves the octets of one core. It is valid during a call only.
type Driver interface {
	// Send queues p, which the driver writes or copies before it returns. Full
	// asks the core to hold the source until Drained is called for to.
	Send(to Leg, p []byte) (full bool)
	// Hold stops (true) or resumes (false) reading from a leg; resuming also
	// offers again what Bytes left unused.
	Hold(from Leg, on bool)
	// Move hands n octets from one leg to another without showing them to the
	// core, those that Bytes leaves unused first; n is positive, or -1 for all
	// up to the end. One Move at a time runs from a leg.
	Move(from, to Leg, n int64)
	// Dial connects to e and is always answered by Dialed, after the current
	// call. With reuse a connection that was parked for e may serve.
	Dial(e *balance.Endpoint, reuse bool) Leg
	// StartTLS makes l speak TLS from here on: the client leg as the server of
	// Listener.StartTLS, any other as a client of Endpoint.StartTLS. It is always
	// answered by Secured, after the current call, and nothing else is reported of
	// l before. What was sent leaves first, in plain; what is sent meanwhile
	// follows the handshake. What was read and not used never reaches the core:
	// with dropUnread it is discarded, or else it belongs to the handshake. A Move
	// from l ends; Hold does not stop the handshake.
	StartTLS(l Leg, dropUnread bool)
	// Close closes l. Closing a leg that is gone does nothing.
	Close(l Leg, how How)
	// Tie ties the upstream connection of l to one owner for as long as it is
	// open, and returns whose it was before; 0 is nobody's. It keeps its first
	// owner, and 0 for the owner asks alone. Who ties gives a number that nobody
	// else has or had. A connection that is tied is never parked: Close flushes it.
	Tie(l Leg, owner uint64) (tied uint64)
	// Wake sets the one deadline of the core, in the time of now; 0 is none. It
	// replaces the one before.
	Wake(at int64)
	// Waker returns what wakes this core when something has happened that it waits
	// for and that is not on its legs: Tick is called with Woken. Other than the
	// Driver it may be kept and used from any goroutine, at any time, and does
	// nothing once the connection is over.
	Waker() balance.Waker
}

// Conn says what a driver knows of an accepted connection.
type Conn struct {
	Remote     netip.AddrPort // the client; from the PROXY header where one was read
	Local      netip.AddrPort // the address that the client called
	Secure     bool           // TLS was terminated
	ServerName string         // SNI, in lower case; empty without
	Session    [16]byte       // identity of the TLS session, the same at each resumption; zero: none

	Shown *x509.Certificate // what the client has shown and the VIP has verified; nil: nothing

	Stream bool // one request of a connection that carries many at once (HTTP/2): nothing follows it
}

// NewCore makes the core of one accepted connection, once its handshake is over.
type NewCore func(Conn) Core
