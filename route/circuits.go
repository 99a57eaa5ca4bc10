package route

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"

	"casbah/balance"
)

// Circuits are the virtual connections of RPC over HTTP that have a channel open
// on one VIP, by their cookies: what each channel meets on its server. They
// outlive reloads. The zero value is ready.
//
// It is asked once when a channel has shown what it begins with and once when it
// ends, and takes no memory but that of pooled circuits.
type Circuits struct {
	seed    atomic.Pointer[maphash.Seed]
	buckets [1 << circuitBits]circuitBucket
}

const circuitBits = 10

type circuitBucket struct {
	mu    sync.Mutex // guards the field below and what hangs on it
	first *Circuit
}

// Circuit is one virtual connection.
type Circuit struct {
	next    *Circuit
	bucket  *circuitBucket
	virtual [16]byte
	in, out int     // channels that are open
	lead    Channel // the first that came, or that was moved
	split   bool    // a channel of it was on another server
	whole   bool    // it has had a channel of each direction at the same time
}

// Channel is what is noted of one channel: where it went, and why.
type Channel struct {
	Server balance.ServerID
	Name   string     // of the server
	Out    bool       // else IN
	Source netip.Addr // the client
	Step   string     // the chain step that decided; empty: none did
	Why    string     // the decision in one word
}

var circuitPool = sync.Pool{New: func() any { return new(Circuit) }}

// Join adds a channel to its virtual connection. Fresh tells that it is the first;
// split that it is the first that is not on the server of the one that came
// first. Leave must follow.
func (cs *Circuits) Join(virtual [16]byte, ch *Channel) (c *Circuit, fresh, split bool) {
	b := cs.bucket(virtual)
	b.mu.Lock()
	defer b.mu.Unlock()
	for c = b.first; c != nil && c.virtual != virtual; c = c.next {
	}
	if c == nil {
		c = circuitPool.Get().(*Circuit)
		*c = Circuit{next: b.first, bucket: b, virtual: virtual, lead: *ch}
		b.first = c
		fresh = true
	}
	c.count(ch.Out, 1)
	c.whole = c.whole || c.in > 0 && c.out > 0
	if c.lead.Server != ch.Server && !c.split {
		c.split, split = true, true
	}
	return c, fresh, split
}

// Lead returns the channel that the others are compared with: the first that came, or
// was moved. Who asks has a channel of c.
func (c *Circuit) Lead() Channel {
	c.bucket.mu.Lock()
	defer c.bucket.mu.Unlock()
	return c.lead
}

// Move makes ch what the connection is led by: a channel that was replaced, at another
// server than the one before. Who moves it has a channel of c.
func (c *Circuit) Move(ch *Channel) {
	c.bucket.mu.Lock()
	defer c.bucket.mu.Unlock()
	c.lead, c.split = *ch, false
}

// HalfOpen reports whether c has lost the last channel of one direction, so that it
// can carry nothing any more. A channel that is replaced ends behind its successor's
// begin. Who asks has a channel of c.
func (c *Circuit) HalfOpen() bool {
	c.bucket.mu.Lock()
	defer c.bucket.mu.Unlock()
	return c.whole && (c.in == 0 || c.out == 0)
}

// Stood reports whether c has had a channel of each direction at the same time. Who
// asks has a channel of c.
func (c *Circuit) Stood() bool {
	c.bucket.mu.Lock()
	defer c.bucket.mu.Unlock()
	return c.whole
}

// count adds n to the channels of a direction.
func (c *Circuit) count(out bool, n int) {
	if out {
		c.out += n
		return
	}
	c.in += n
}

// Leave takes a channel of that direction from its virtual connection, which ends
// with the last.
func (cs *Circuits) Leave(c *Circuit, out bool) {
	b := c.bucket
	b.mu.Lock()
	defer b.mu.Unlock()
	c.count(out, -1)
	if c.in+c.out > 0 {
		return
	}
	for at := &b.first; *at != nil; at = &(*at).next {
		if *at == c {
			*at = c.next
			break
		}
	}
	*c = Circuit{}
	circuitPool.Put(c)
}

// bucket returns where the virtual connection hangs. A client cannot choose it:
// the hash has a seed.
func (cs *Circuits) bucket(virtual [16]byte) *circuitBucket {
	seed := cs.seed.Load()
	if seed == nil {
		s := maphash.MakeSeed()
		cs.seed.CompareAndSwap(nil, &s)
		seed = cs.seed.Load()
	}
	return &cs.buckets[maphash.Bytes(*seed, virtual[:])>>(64-circuitBits)]
}
