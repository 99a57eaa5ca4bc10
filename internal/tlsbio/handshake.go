package tlsbio

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"

	"casbah/internal/tlsid"
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
// tls.Config run within; if one panics, Handshake panics with a *Panic. They may
// call Close, and nothing else that belongs to the connection.
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
		if value := recover(); value != nil {
			panic(newPanic(value))
		}
	}()
	c.shake.yield = yield
	err = c.tls.HandshakeContext(context.Background())
	if err == nil && c.note.Over() {
		err = tlsid.ErrOver
	}
}

// park waits for the next step. It reports whether there is one.
func (c *Conn) park() bool {
	c.waiting = true
	c.inStep = false
	return c.shake.yield(struct{}{})
}

// Panic is what Handshake panics with where a callback of the handshake did. It
// brings what the stack was there: that of the coroutine is gone when the panic
// comes to who called Handshake.
type Panic struct {
	Value   any       // what the callback panicked with
	Callers []uintptr // where, as runtime.Callers returns it
	Stack   []byte    // the same in words
}

// newPanic is called by the deferred function that recovered value.
func newPanic(value any) *Panic {
	pcs := make([]uintptr, 64)
	return &Panic{value, pcs[:runtime.Callers(1, pcs)], debug.Stack()}
}

// Origin returns all of p, for who counts panics without knowing of TLS.
func (p *Panic) Origin() (value any, callers []uintptr, stack []byte) {
	return p.Value, p.Callers, p.Stack
}

// String is what the runtime prints if nobody recovers.
func (p *Panic) String() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }
