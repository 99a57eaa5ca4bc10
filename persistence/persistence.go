// Package persistence keeps a client on its server. A chain of steps reads keys
// from a request; a table binds keys to servers for as long as they are used; a
// sealed cookie names the server without any table.
//
// On the request path nothing here blocks, reads a clock or, but for step rule,
// allocates, and everything is safe for concurrent use.
package persistence

import (
	"net/netip"

	"casbah/balance"
	"casbah/internal/httphead"
)

// Request is what the steps of a chain may read.
type Request struct {
	Source netip.Addr        // the client, after the PROXY header and a trusted X-Forwarded-For
	Dest   netip.Addr        // the address that the client called
	Head   *httphead.Request // nil for a relayed connection
	Secure bool              // the client's connection is encrypted

	// Association is the RPC association that the connection belongs to, as its
	// server numbers it; 0: none yet.
	Association uint32
	// Virtual is the cookie of the virtual connection of RPC over HTTP that the
	// request opens a channel of, from the first PDU of its body; zero: it is none,
	// or not known yet.
	Virtual [16]byte
	// SessionID is of the TLS session that the client would resume, as it says
	// itself; empty without.
	SessionID []byte
	// SessionSealed says that SessionID is an identity of casbah's own, which came
	// sealed in a ticket or goes into one: no client can make it up.
	SessionSealed bool
	// Subject is of the client's certificate: the principal name or mail address
	// that it holds, else its distinguished name; nil without a certificate.
	Subject []byte
}

// Standing is what a server is worth to a chain.
type Standing uint8

// The standings of a server. The zero value keeps clients away.
const (
	Gone     Standing = iota // down, in maintenance, or no member of the pool
	Usable                   // takes any client
	Draining                 // takes the clients that are bound to it
)

// String returns the standing's word in explanations.
func (s Standing) String() string {
	return [...]string{"gone", "usable", "draining"}[s]
}

// Standings tells what servers are worth at this moment.
type Standings interface {
	// Standing returns the standing of the server; Gone for one that it does not know.
	Standing(id balance.ServerID) Standing
}

// Member is a server of the chain's pool.
type Member struct {
	ID       balance.ServerID
	Name     string
	OwnID    string            // what server_id steps know it by; empty: nothing
	Endpoint *balance.Endpoint // where it is reached; nil only where no step asks
}
