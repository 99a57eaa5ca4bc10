package enginetest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"casbah/engine"
)

// stops returns how an engine ends.
func stops() []behaviour {
	return []behaviour{
		{"stop-drain", drain, alone},
		{"stop-drain-in-handshake", drainInHandshake, alone},
		{"stop-drain-refuses", stopping, alone},
		{"stop-kill", kill, alone},
		{"stop-kill-tells", killTells, alone},
		{"stop-kill-last-words", lastWords, alone},
		{"stop-wait", waitEnds, alone},
		{"stop-close", closeIdle, alone},
		{"stop-close-waits", closeWaits, alone},
	}
}

// drain tells every core once, and waits for them.
func drain(t *trial) {
	t.inModes(func(t *trial, m mode) {
		const n = 5
		var told atomic.Int64
		s := t.start(engine.Config{}, m.listener(func(engine.Conn) engine.Core {
			return &Toy{
				OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
					d.Send(l, p)
					return len(p)
				},
				OnTick: func(_ int64, why engine.Cause, d engine.Driver) {
					if why == engine.Drain {
						told.Add(1)
						d.Send(engine.Client, []byte("draining"))
					}
				},
			}
		}))
		var all [n]client
		for i := range all {
			all[i] = m.dial(t, s.at)
			Send(t, all[i], "x")
			Expect(t, all[i], "x")
		}
		s.Drain()
		for _, nc := range all {
			Expect(t, nc, "draining")
			Send(t, nc, "y") // goes on as before
			Expect(t, nc, "y")
		}
		if got := s.Open(); got != n || told.Load() != n {
			t.Errorf("%d connections are open, %d were told; want %d, %d", got, told.Load(), n, n)
		}
		for _, nc := range all {
			_ = nc.CloseWrite()
			ExpectEnd(t, nc)
			_ = nc.Close()
		}
		Wait(t, s)
		if told.Load() != n {
			t.Errorf("%d cores were told of Drain; want %d", told.Load(), n)
		}
	})
}

// stutterer is a connection that sends the first octets of its first write, and
// the rest when it is told.
type stutterer struct {
	net.Conn
	first int
	sent  chan struct{} // closed when the first are on their way
	goOn  chan struct{}
	done  bool
}

func newStutterer(nc net.Conn, first int) *stutterer {
	return &stutterer{Conn: nc, first: first, sent: make(chan struct{}), goOn: make(chan struct{})}
}

func (s *stutterer) Write(p []byte) (int, error) {
	if s.done {
		return s.Conn.Write(p)
	}
	s.done = true
	n, err := s.Conn.Write(p[:s.first])
	close(s.sent)
	if err != nil {
		return n, err
	}
	<-s.goOn
	m, err := s.Conn.Write(p[s.first:])
	return n + m, err
}

// drainInHandshake lets a handshake end, and tells its core then.
func drainInHandshake(t *trial) {
	told := make(chan struct{}, 1)
	s := t.start(engine.Config{}, overTLS.listener(func(engine.Conn) engine.Core {
		return &Toy{OnTick: func(_ int64, why engine.Cause, d engine.Driver) {
			if why == engine.Drain {
				told <- struct{}{}
				d.Send(engine.Client, []byte("bye"))
				d.Close(engine.Client, engine.Flush)
			}
		}}
	}))
	slow := newStutterer(Dial(t, s.at), 20)
	nc := tls.Client(slow, ClientTLS())
	shaken := make(chan error, 1)
	go func() { shaken <- nc.HandshakeContext(t.Context()) }()
	Receive(t, slow.sent, "begin of the handshake")
	Becomes(t, "Open()", s.Open, 1)
	s.Drain()
	close(slow.goOn)
	if err := Receive(t, shaken, "end of the handshake"); err != nil {
		t.Fatalf("Handshake() = %v after Drain; want it to end", err)
	}
	Receive(t, told, "Tick(Drain)")
	Expect(t, nc, "bye")
	ExpectEnd(t, nc)
	_ = nc.Close()
	Wait(t, s)
}

// stopping refuses connections after Drain and Kill.
func stopping(t *trial) {
	for name, end := range map[string]func(engine.Engine){"drain": engine.Engine.Drain, "kill": engine.Engine.Kill} {
		t.run(name, func(t *trial) {
			t.inModes(func(t *trial, m mode) {
				reasons := make(chan engine.Reason, 8)
				ln := m.listener(Echo)
				ln.OnRefuse = func(r engine.Reason) { reasons <- r }
				s := t.start(engine.Config{}, ln)
				end(s)
				nc := Dial(t, s.at)
				if got := Receive(t, reasons, "refusal"); got != engine.Stopping {
					t.Errorf("refused for %v; want %v", got, engine.Stopping)
				}
				if p, err := io.ReadAll(nc); len(p) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("read %q, %v; want the end", p, err)
				}
			})
		})
	}
}

// killCase is a connection in some state.
type killCase struct {
	name  string
	ln    *engine.Listener
	sent  string
	first string // octets that come in that state
}

// killCases returns connections in every state. dials is told when the one that
// dials does.
func killCases(t *trial, dials chan<- struct{}) []killCase {
	t.Helper()
	hole := blackHole(t)
	dialling := func(engine.Conn) engine.Core {
		return &Toy{OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
			d.Dial(hole, false)
			dials <- struct{}{}
			return len(p)
		}}
	}
	stuck := func(engine.Conn) engine.Core {
		return &Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			d.Send(l, make([]byte, unsendable))
			return len(p)
		}}
	}
	big := string(make([]byte, unsendable))
	return []killCase{
		{"idle", plain.listener(Echo), "x", "x"},
		{"idle-tls", overTLS.listener(Echo), "x", "x"},
		{"stuck", plain.listener(stuck), "x", "\x00"},
		{"stuck-tls", overTLS.listener(stuck), "x", "\x00"},
		{"dialling", plain.listener(dialling), "x", ""},
		{"relaying", plain.listener(Relay(Upstream(t, false, EchoServer), true)), "x", "x"},
		{"relaying-tls", plain.listener(Relay(Upstream(t, true, EchoServer), true)), "x", "x"},
		{"lingering", plain.listener(OneShot("x", engine.Flush)), "x", "x"},
		{"flushing", plain.listener(OneShot(big, engine.Flush)), "x", "\x00"},
		{"handshake", overTLS.listener(Echo), "\x16\x03\x01", ""},
		{"proxy-header", proxyV2.listener(Echo), "\r\n\r\n", ""},
	}
}

// kill ends connections in every state, long before they would end themselves.
func kill(t *trial) {
	dials := make(chan struct{}, 8)
	for _, tt := range killCases(t, dials) {
		t.run(tt.name, func(t *trial) {
			bound := Patience / 2 // handshakes and flushes may take longer
			if tt.name == "lingering" {
				bound = time.Second
			}
			took := time.Duration(0)
			for range 5 { // a machine may be slow once
				s := t.start(engine.Config{}, tt.ln)
				nc := net.Conn(Dial(t, s.at))
				if tt.ln.TLS != nil && tt.first != "" {
					nc = tls.Client(nc, ClientTLS())
				}
				Send(t, nc, tt.sent)
				if Expect(t, nc, tt.first); tt.name == "dialling" {
					Receive(t, dials, "Dial")
				}
				Becomes(t, "Open()", s.Open, 1)
				began := time.Now()
				s.Kill()
				Wait(t, s)
				if took = time.Since(began); took < bound {
					return
				}
			}
			t.Errorf("Kill took %v; want it to be at once", took)
		})
	}
}

// killTells tells every core once, after Drain as well, and resets what it
// leaves open, its servers included.
func killTells(t *trial) {
	const n = 4
	var told atomic.Int64
	ends := make(chan error, n)
	up := Upstream(t, false, func(nc net.Conn) {
		_, _ = io.WriteString(nc, "x")
		_, err := io.Copy(io.Discard, nc)
		ends <- err
	})
	s := t.start(engine.Config{}, &engine.Listener{New: func(engine.Conn) engine.Core {
		return &Toy{
			OnOpen: func(_ int64, d engine.Driver) { d.Dial(up, false) },
			OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
				d.Send(engine.Client, p)
				return len(p)
			},
			OnTick: func(_ int64, why engine.Cause, _ engine.Driver) {
				if why == engine.Kill {
					told.Add(1)
				}
			},
		}
	}})
	var all [n]net.Conn
	for i := range all {
		all[i] = Dial(t, s.at)
		Expect(t, all[i], "x")
	}
	s.Drain()
	s.Kill()
	Wait(t, s)
	for _, nc := range all {
		if p, err := io.ReadAll(nc); len(p) > 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client read %q, %v; want a reset", p, err)
		}
		if err := Receive(t, ends, "end at the server"); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server read %v; want a reset", err)
		}
	}
	if told.Load() != n {
		t.Errorf("%d cores were told of Kill; want %d", told.Load(), n)
	}
}

// lastWords delivers what a core sends before it closes its leg on Kill.
func lastWords(t *trial) {
	t.inModes(func(t *trial, m mode) {
		core := &Toy{
			OnOpen: func(_ int64, d engine.Driver) { d.Send(engine.Client, []byte("hello")) },
			OnTick: func(_ int64, why engine.Cause, d engine.Driver) {
				if why == engine.Kill {
					d.Send(engine.Client, []byte("bye"))
					d.Close(engine.Client, engine.Flush)
				}
			},
		}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Expect(t, nc, "hello")
		s.Kill()
		Expect(t, nc, "bye")
		ExpectEnd(t, nc)
		Wait(t, s)
	})
}

// waitEnds gives up with its context.
func waitEnds(t *trial) {
	s := t.start(engine.Config{}, &engine.Listener{New: Echo})
	nc := Dial(t, s.at)
	Send(t, nc, "x")
	Expect(t, nc, "x")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait() = %v; want %v", err, context.DeadlineExceeded)
	}
	_ = nc.Close()
	Wait(t, s)
	if err := s.Wait(ctx); err != nil {
		t.Errorf("Wait() = %v without a connection; want nil", err)
	}
}

// closeIdle closes an engine that was never used, and one whose sockets were
// never served.
func closeIdle(t *trial) {
	for _, listens := range []bool{false, true} {
		e := t.open(t, engine.Config{})
		if listens {
			sock, err := e.Listen(t.Context(), loopback)
			if err != nil {
				t.Fatal(err)
			}
			sock.Close()
		}
		stop(t, e)
	}
}

// closeWaits does not return from Close while a connection is open.
func closeWaits(t *trial) {
	t.inModes(func(t *trial, m mode) {
		s := t.start(engine.Config{}, m.listener(Echo))
		in := comesIn(t, m, s)
		s.socket.Close()
		closed := make(chan int, 1)
		go func() {
			s.Close()
			closed <- s.Open()
		}()
		for range 10 {
			Send(t, in, "y")
			Expect(t, in, "y")
			time.Sleep(time.Millisecond)
			if len(closed) > 0 {
				t.Fatal("Close returned while a connection was open")
			}
		}
		_ = in.Close()
		if open := Receive(t, closed, "end of Close"); open != 0 {
			t.Errorf("%d connections are open behind Close; want none", open)
		}
	})
}
