package enginetest

import (
	"errors"
	"syscall"

	"casbah/engine"
)

// sockets returns how sockets open, accept and close.
func sockets() []behaviour {
	return []behaviour{
		{"socket-address", socketAddress, alone},
		{"socket-before-serve", socketBeforeServe, alone},
		{"socket-close", socketClose, alone},
		{"socket-close-unserved", socketCloseUnserved, alone},
		{"socket-opened-again", socketAgain, alone},
		{"socket-shortage", shortage, alone},
	}
}

// socketAddress tells the port that the system chose, and an address that is
// taken.
func socketAddress(t *trial) {
	e := t.open(t, engine.Config{})
	defer stop(t, e)
	s, err := e.Listen(t.Context(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Addr(); got.Addr() != loopback.Addr() || got.Port() == 0 {
		t.Errorf("Addr() = %v; want %v and a port", got, loopback.Addr())
	}
	taken := addrPort(listen(t).Addr())
	if s, err := e.Listen(t.Context(), taken); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Listen(%v) = %v, %v where another listens; want EADDRINUSE", taken, s, err)
	}
}

// socketBeforeServe lets clients connect from Listen on.
func socketBeforeServe(t *trial) {
	e := t.open(t, engine.Config{})
	t.Cleanup(func() { stop(t, e) })
	s, err := e.Listen(t.Context(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	nc := Dial(t, s.Addr())
	Send(t, nc, "early")
	served := make(chan error, 1)
	go func() { served <- s.Serve(&engine.Listener{New: Echo}) }()
	Expect(t, nc, "early")
	s.Close()
	if err := Receive(t, served, "end of Serve"); err != nil {
		t.Errorf("Serve() = %v; want nil", err)
	}
}

// socketClose stops accepting before it returns, while connections go on.
func socketClose(t *trial) {
	t.inModes(func(t *trial, m mode) {
		s := t.start(engine.Config{}, m.listener(Echo))
		in := comesIn(t, m, s)
		other := ServeAt(t, s, loopback, &engine.Listener{New: Echo})
		s.socket.Close()
		for range 10 {
			if _, err := tryDial(t, s.at); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a client connected after Close: %v; want ECONNREFUSED", err)
			}
		}
		s.socket.Close()
		Send(t, in, "y")
		Expect(t, in, "y")
		nc := Dial(t, other.Addr())
		Send(t, nc, "z")
		Expect(t, nc, "z")
	})
}

// socketCloseUnserved closes sockets that nobody serves: Serve ends at once.
func socketCloseUnserved(t *trial) {
	e := t.open(t, engine.Config{})
	defer stop(t, e)
	s, err := e.Listen(t.Context(), loopback)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := tryDial(t, s.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a client connected after Close: %v; want ECONNREFUSED", err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(&engine.Listener{New: Echo}) }()
	if err := Receive(t, served, "end of Serve after Close"); err != nil {
		t.Errorf("Serve() = %v after Close; want nil", err)
	}
}

// socketAgain opens an address again at once, while connections of the socket
// that was there go on.
func socketAgain(t *trial) {
	s := t.start(engine.Config{}, &engine.Listener{New: Echo})
	in := comesIn(t, plain, s)
	s.socket.Close()
	again := ServeAt(t, s, s.at, &engine.Listener{New: Echo})
	nc := Dial(t, again.Addr())
	Send(t, nc, "x")
	Expect(t, nc, "x")
	Send(t, in, "y")
	Expect(t, in, "y")
}
