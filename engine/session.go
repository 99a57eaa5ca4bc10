package engine

import "crypto/tls"

// Session is one client connection that carries many requests at once. Each of
// them is a connection of its own to its core, with Conn.Stream set.
type Session interface {
	// Serve returns when the connection is over, and closed.
	Serve()
	// Drain has the connection take no new requests, and end with those that are
	// open. It does not wait, and may be called before Serve.
	Drain()
}

// NewSession makes the session of a connection whose handshake is over. Until
// Serve returns, nobody else reads, writes or closes nc but to kill it.
type NewSession func(nc *tls.Conn, c Conn) Session
