package persistence

import (
	"casbah/balance"
)

// Why says in one word how a walk came to its candidate.
type Why uint8

// The reasons of a walk.
const (
	NoKey    Why = iota // the request yields no key
	Fresh               // no key has a binding
	Rebound             // the bound server is gone
	Bound               // the first key with a binding to a usable server decided
	Conflict            // an address was overruled by a confirmed identity
	Strict              // a confirmed identity was overruled by strict_order
	Lost                // held: the bound server is gone, and there is no fallback
	Spread              // the address is shared, and no other key has a binding
)

// String returns the word of the access record.
func (y Why) String() string {
	return [...]string{"no_key", "fresh", "rebound", "bound", "conflict", "strict", "lost", "spread"}[y]
}

// Reading is what one step read from a request.
type Reading struct {
	Key       Key              // zero without one
	Age       uint32           // seconds since the binding was used, or since the inserted cookie was issued
	Life      uint32           // seconds that the binding lives without use; 0: no end, as an inserted session cookie
	tag       uint32           // of the cookie's name
	Server    balance.ServerID // what the key is bound to; 0: nothing
	Step      uint8            // index in the chain
	Use       Use
	Standing  Standing // of Server
	Confirmed bool     // the binding is
	Crowd     Crowd    // of an address: how many clients it carries
	Clients   uint16   // as many were counted; 0: not looked up, or none

	inUse bool      // the request is served by the bound server, so that the binding is refreshed
	own   ownership // Server is not that of a binding: a cookie of casbah's own names it
}

// ownership says what a reading has to do with a cookie of casbah's own.
type ownership uint8

const (
	notOwn     ownership = iota
	ownIssued            // it was read from one
	ownRenewed           // likewise, and the cookie is to be issued anew whatever its age
)

// Use says what became of a reading.
type Use uint8

// The uses of a reading: first those without a key, then those with one.
const (
	Empty      Use = iota // the step is none, or does not apply to this connection
	Absent                // the request has no such cookie, header or address
	Unreadable            // there is a value, but it names no client
	Foreign               // names no member; an inserted cookie also where it is altered or of another scope
	Outdated              // an inserted cookie that was not used for its timeout
	Unbound               // a key without a binding
	Vanished              // bound to a server that is gone
	Decided               // gave the candidate
	Agreed                // bound to the candidate as well
	Overruled             // bound to another server, but not asked: an earlier step or a confirmed identity decided
	Shared                // an address that is set aside, because many clients share it
)

// String says what became of the reading, for an explanation.
func (u Use) String() string {
	return [...]string{
		"no key", "not in the request", "names no client", "names no server of the pool",
		"outdated", "not bound", "its server is gone", "decided", "agrees", "overruled", "carries many clients",
	}[u]
}
