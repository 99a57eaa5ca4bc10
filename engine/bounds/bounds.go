// Package bounds holds the measures that all drivers keep to, so that a client
// or a server meets the same limits whichever drives its connection.
package bounds

import "time"

// The time for what comes before a core.
const (
	ProxyTime     = 5 * time.Second  // for a PROXY header
	HandshakeTime = 10 * time.Second // for a TLS handshake
)

// The bounds of a polite refusal.
const (
	Refusals    = 128                    // at once; more are closed without a word
	RefusalTime = 500 * time.Millisecond // for the answer, and for the client's own close
)

// ConnectTime is for endpoints that set none.
const ConnectTime = 10 * time.Second

// The bounds of parked connections.
const (
	Parked   = 512 // for one endpoint, on one loop where there are loops
	ParkTime = 60 * time.Second
)

// What moves.
const (
	Full        = 64 << 10 // octets queued for a leg beyond which Send answers full
	SpliceLeast = 32 << 10 // octets that a Move must have left for a pipe to be used: below, its system calls cost more than the copies that they save (docs/PERFORMANCE.md)
)

// The bounds of closing.
const (
	LingerTime   = 2 * time.Second  // for a peer to take the last octets
	LingerOctets = 256 << 10        // that it may go on sending meanwhile
	FlushTime    = 10 * time.Second // for what is queued when a leg is closed, as long as the peer takes none of it: with some of it, the time begins anew
	KillTime     = time.Second      // for all of it, once the connection is killed
	FailTime     = time.Second      // a leg that cannot be written to is still read: a server that answers early and closes has sent its answer before
)
