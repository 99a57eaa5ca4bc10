package lab

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Counts is what a CAS has seen since it was made; stopping it loses nothing.
type Counts struct {
	Requests map[string]uint64 // by directory, faults and refused ones included
	Open     int               // connections that are open now
	Accepted uint64            // connections accepted
	Logons   uint64            // forms logins and NTLM handshakes that succeeded
	Refused  uint64            // credentials that were wrong, NTLM messages out of place included

	// Leaks counts requests that came without credentials on a connection whose
	// identity is not the user that their X-Expect-User names; "" and
	// "anonymous" name nobody. One leak is one request served as another user. A
	// channel of RPC that joins another user's virtual connection is one, too.
	Leaks uint64

	// Splits counts RPC channels whose other channel, by the virtual connection
	// cookie, was open on another CAS, and binds of RPC over TCP to an association
	// that this CAS does not have.
	Splits uint64

	// Crossed counts requests whose mailbox is on another CAS, of Options.Mailboxes.
	Crossed uint64
}

type counters struct {
	accepted, logons, refused, leaks, splits, crossed atomic.Uint64
	open                                              atomic.Int64

	mu       sync.Mutex // guards the field below
	requests map[string]uint64
}

func (c *counters) request(directory string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		c.requests = make(map[string]uint64)
	}
	c.requests[directory]++
}

// Counts returns what the CAS has seen so far.
func (s *CAS) Counts() Counts {
	c := &s.counters
	c.mu.Lock()
	requests := maps.Clone(c.requests)
	c.mu.Unlock()
	return Counts{
		Requests: requests,
		Open:     int(c.open.Load()),
		Accepted: c.accepted.Load(),
		Logons:   c.logons.Load(),
		Refused:  c.refused.Load(),
		Leaks:    c.leaks.Load(),
		Splits:   c.splits.Load(),
		Crossed:  c.crossed.Load(),
	}
}
