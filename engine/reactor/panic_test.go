//go:build linux

package reactor

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// tolerant is an engine with one loop, and what it serves by cores that may panic.
type tolerant struct {
	*Engine
	socket engine.Socket
}

func newTolerant(t *testing.T, makes engine.NewCore) *tolerant {
	t.Helper()
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	return &tolerant{e, enginetest.Serve(t, e, &engine.Listener{New: makes})}
}

// comesIn returns a client that is served.
func (e *tolerant) comesIn(t *testing.T) *net.TCPConn {
	t.Helper()
	nc := enginetest.Dial(t, e.socket.Addr())
	enginetest.Send(t, nc, "x")
	enginetest.Expect(t, nc, "x")
	return nc
}

// stops the loop until the function that it returns is called.
func (e *tolerant) stops(t *testing.T) (goOn func()) {
	t.Helper()
	stopped, over := make(chan struct{}), make(chan struct{})
	e.loops[0].post(func() { close(stopped); <-over })
	enginetest.Receive(t, stopped, "turn of the loop")
	return func() { close(over) }
}

// What others were sent in a turn that a panic ended leaves at once.
func TestPanicKeepsNobodyWaiting(t *testing.T) {
	e := newTolerant(t, func(engine.Conn) engine.Core {
		return &enginetest.Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			if p[0] == '!' {
				panic("bytes")
			}
			d.Send(l, p)
			return len(p)
		}}
	})
	good, bad := e.comesIn(t), e.comesIn(t)
	goOn := e.stops(t)
	enginetest.Send(t, good, "y")
	enginetest.Send(t, bad, "!")
	goOn()
	enginetest.Expect(t, good, "y")
}

// A socket that closes lets in who waits there; one of these whose core panics keeps
// neither the others from it nor the socket open.
func TestPanicWhileASocketCloses(t *testing.T) {
	made := 0
	e := newTolerant(t, func(c engine.Conn) engine.Core {
		if made++; made == 2 {
			panic("new")
		}
		return enginetest.Echo(c)
	})
	e.comesIn(t)
	goOn, lp := e.stops(t), e.loops[0]
	closed := make(chan struct{})
	go func() {
		e.socket.Close()
		close(closed)
	}()
	enginetest.Becomes(t, "things to be done", func() int {
		lp.mu.Lock()
		defer lp.mu.Unlock()
		return len(lp.posted)
	}, 1)
	enginetest.Dial(t, e.socket.Addr())
	good := enginetest.Dial(t, e.socket.Addr())
	goOn()
	enginetest.Receive(t, closed, "end of Close")
	enginetest.Send(t, good, "y")
	enginetest.Expect(t, good, "y")
	if nc, err := net.DialTimeout("tcp", e.socket.Addr().String(), enginetest.Patience); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a client connected behind Close: %v, %v; want ECONNREFUSED", nc, err)
	}
	if e.Panics() != 1 {
		t.Errorf("%d panics; want 1", e.Panics())
	}
}
