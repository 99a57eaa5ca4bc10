package engine

import (
	"context"
	"net/netip"
)

// Config says how an Engine works, whichever driver it is. The zero value is
// ready.
type Config struct {
	// Clock returns nanoseconds since the Unix epoch and never goes back; nil:
	// WallClock.
	Clock func() int64

	MaxConns     int // client connections open at once; 0: no limit
	MaxPerSource int // of these, from one address; 0: no limit

	// Others returns how many connections of other engines count to MaxConns; nil:
	// none do. It is called for each connection and may not wait.
	Others func() int
	// Sources counts by address, together with the other engines that have it;
	// nil: by itself, up to MaxPerSource.
	Sources *Sources

	// OnPanic is told of a panic of a core, which ends its connection, with the
	// stack the first time that it happens at that place, and nil after; nil:
	// nobody is told.
	OnPanic func(where string, value any, stack []byte)
}

// Full reports whether there is no room for one more beside open connections.
func (c *Config) Full(open int64) bool {
	if c.MaxConns <= 0 {
		return false
	}
	if c.Others != nil {
		open += int64(c.Others())
	}
	return open >= int64(c.MaxConns)
}

// Engine drives connections. It is what netconn and reactor are to who opens
// listeners.
type Engine interface {
	// Listen opens a socket at an address. Clients may connect to it from then
	// on; they are accepted once it is served.
	Listen(ctx context.Context, at netip.AddrPort) (Socket, error)

	// Open returns how many client connections are open, those in their
	// handshake included.
	Open() int
	// Loops returns how many of them each event loop has; nil where there are no
	// loops.
	Loops() []int
	// Panics returns how many connections ended by a panic of their core.
	Panics() uint64

	// Review tells all cores, with Woken, that something else is ordered of a server
	// that they may be connected to. Parked connections are closed: they are rare
	// and cheap to open anew, and a server that is to be left alone has none then.
	Review()
	// Drain tells all cores to finish what is open. New connections are refused,
	// so sockets are closed before; those in their handshake finish it and are
	// told then. Parked connections are closed.
	Drain()
	// Kill tells all cores to close everything, and closes what they left open.
	Kill()
	// Wait returns when no client connection is open, or ctx has ended.
	Wait(ctx context.Context) error
	// Close ends the engine once no client connection is open: nothing of it
	// runs any more when it returns.
	Close()
}

// Socket accepts connections at one address.
type Socket interface {
	// Addr returns the address, its port chosen by the system where it was asked
	// for as 0.
	Addr() netip.AddrPort
	// Serve drives the connections that the socket accepts until Close; then it
	// returns nil. It outlives shortages of file descriptors and memory; any
	// other error of accepting ends it. A socket is served once.
	Serve(ln *Listener) error
	// Close stops accepting before it returns. Connections go on. A socket that
	// is closed twice is closed.
	Close()
}
