package lab

import (
	"context"
	"sync"
)

// circuit is a virtual connection of RPC over HTTP: an IN and an OUT channel
// with one cookie. While a channel is replaced there are two of its kind.
type circuit struct {
	flow   chan []byte   // from IN to OUT; unbuffered, so that OUT holds IN back
	joined chan struct{} // closed once both channels have come
	broken chan struct{} // closed when the client lost one of them
	rpc    *rpcSession   // of a client that has bound; only the IN channel uses it
	user   string        // whose it is, as its first channel has it

	mu      sync.Mutex // guards the fields below
	in, out int        // channels that are open
	wasBoth bool
	isDone  bool
	over    chan struct{} // closed when the OUT channel of the moment is replaced
}

// turn returns what is closed when the OUT channel that asks is replaced.
func (c *circuit) turn() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// replace ends the OUT channel of the moment in favour of the one that asks.
func (c *circuit) replace() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.over)
	c.over = make(chan struct{})
}

// side is the direction of a channel, as the client sees it.
type side bool

const (
	sideIn  side = false
	sideOut side = true
)

// circuits are the virtual connections of one CAS. The zero value is ready.
type circuits struct {
	mu       sync.Mutex // guards the field below; before the circuits' own
	byCookie map[Cookie]*circuit
}

// attach adds a user's channel to its circuit, which it makes if it is the first.
// Foreign tells that the circuit is another user's.
func (cs *circuits) attach(cookie Cookie, s side, user string) (c *circuit, foreign bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.byCookie == nil {
		cs.byCookie = make(map[Cookie]*circuit)
	}
	c = cs.byCookie[cookie]
	if c == nil {
		c = &circuit{
			user:   user,
			flow:   make(chan []byte),
			joined: make(chan struct{}),
			broken: make(chan struct{}),
			over:   make(chan struct{}),
		}
		cs.byCookie[cookie] = c
	}
	c.add(s)
	return c, c.user != user
}

// detach takes a channel from its circuit. With the last channel of its kind
// the circuit breaks, unless the channel had run to its declared end.
func (cs *circuits) detach(cookie Cookie, s side, ended bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byCookie[cookie]
	if c.remove(s, ended) {
		delete(cs.byCookie, cookie)
		if c.rpc != nil {
			c.rpc.end()
		}
	}
}

func (cs *circuits) has(cookie Cookie) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.byCookie[cookie] != nil
}

func (c *circuit) add(s side) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s == sideIn {
		c.in++
	} else {
		c.out++
	}
	if c.in > 0 && c.out > 0 && !c.wasBoth {
		c.wasBoth = true
		close(c.joined)
	}
}

// remove reports whether the circuit is over.
func (c *circuit) remove(s side, ended bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := &c.in
	if s == sideOut {
		left = &c.out
	}
	*left--
	if *left == 0 && !ended && c.wasBoth && !c.isDone {
		c.isDone = true
		close(c.broken)
	}
	return c.in == 0 && c.out == 0
}

// relay hands p, which the circuit keeps, to the OUT channel and waits until
// that took it. Without an OUT channel p is lost: a client sends nothing before
// it heard, on that channel, that both are there.
func (c *circuit) relay(ctx context.Context, p []byte) {
	c.mu.Lock()
	heard := c.out > 0
	c.mu.Unlock()
	if !heard {
		return
	}
	select {
	case c.flow <- p:
	case <-c.broken:
	case <-ctx.Done():
	}
}
