package tlsbio

import (
	"context"
	"iter"
)

// handshake is the coroutine in which that of a tls.Conn runs. That call cannot
// be repeated, not even after a temporary error, so it is parked within the
// transport's Read when input runs out.
type handshake struct {
	next  func() (struct{}, bool) // runs it until it parks or ends
	stop  func()                  // ends it where it is parked
	yield func(struct{}) bool     // parks it; false: it has to end
}

// Handshake goes on with the handshake: until it is done, needs more input
// (false and no error), or fails, which is final. The callbacks of the
// tls.Config run within; if one panics, so does Handshake. They may call Close,
// and nothing else that belongs to the connection.
func (c *Conn) Handshake() (done bool, err error) {
	switch {
	case c.inStep:
		panic("BUG: tlsbio: Handshake within a callback of the handshake")
	case !c.done && c.inErr == nil && (!c.waiting || len(c.in) > 0 || c.end):
		c.step()
	}
	if c.closed || !c.done {
		return false, c.inErr
	}
	return true, nil
}

// Done reports whether the handshake is done.
func (c *Conn) Done() bool { return c.done }

// step runs the handshake until it parks or ends.
func (c *Conn) step() {
	if c.shake == nil {
		c.shake = new(handshake)
		c.shake.next, c.shake.stop = iter.Pull(c.run)
	}
	c.inStep = true
	c.shake.next()
}

// run is the coroutine. It leaves the connection in order by itself, as next
// does not return after a panic.
func (c *Conn) run(yield func(struct{}) bool) {
	err := errPanicked
	defer func() {
		c.inStep = false
		c.shake = nil // and with it the coroutine
		if err != nil {
			c.fail(err)
		}
		c.done = err == nil
	}()
	c.shake.yield = yield
	err = c.tls.HandshakeContext(context.Background())
}

// park waits for the next step. It reports whether there is one.
func (c *Conn) park() bool {
	c.waiting = true
	c.inStep = false
	return c.shake.yield(struct{}{})
}
