package enginetest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// ends returns how a core hears that a peer has ended.
func ends() []behaviour {
	return []behaviour{
		{"end-how", endHow, alone},
		{"end-cut-off", endCutOff, alone},
		{"end-upstream", endUpstream, alone},
		{"end-after-hold", endAfterHold, alone},
		{"end-behind-octets", endBehindOctets, alone},
		{"end-reset-behind-octets", resetBehindOctets, alone},
		{"end-of-write", endOfWrite, together},
		{"end-early-answer", earlyAnswer, alone},
	}
}

// endHow reports FIN and reset for what they are.
func endHow(t *trial) {
	for _, reset := range []bool{false, true} {
		t.run(fmt.Sprintf("reset=%v", reset), func(t *trial) {
			t.inModes(func(t *trial, m mode) {
				told := make(chan error, 2)
				got := make(chan string, 1)
				core := &Toy{
					OnBytes: func(_ engine.Leg, p []byte, _ engine.Driver) int {
						got <- string(p)
						return len(p)
					},
					OnEnd: func(l engine.Leg, err error, d engine.Driver) {
						told <- err
						d.Close(l, engine.Flush)
					},
				}
				s := t.start(engine.Config{}, m.listener(Fixed(core)))
				nc := m.dial(t, s.at)
				Send(t, nc, "last")
				if got := Receive(t, got, "octets"); got != "last" {
					t.Errorf("Bytes(%q) before the end; want %q", got, "last")
				}
				if reset {
					resetConn(nc)
				}
				_ = nc.Close()
				err := Receive(t, told, "End")
				if reset != errors.Is(err, syscall.ECONNRESET) || !reset && err != nil {
					t.Errorf("End(%v) with reset=%v", err, reset)
				}
				Wait(t, s)
			})
		})
	}
}

// endCutOff reports a FIN under TLS without a close_notify as an end that was cut
// off, behind the octets that came before it: of a client, and of a server.
func endCutOff(t *trial) {
	t.run("client", func(t *trial) {
		told, got := make(chan error, 1), make(chan string, 1)
		s := t.start(engine.Config{}, overTLS.listener(Fixed(&Toy{
			OnBytes: func(_ engine.Leg, p []byte, _ engine.Driver) int {
				got <- string(p)
				return len(p)
			},
			OnEnd: func(_ engine.Leg, err error, _ engine.Driver) { told <- err },
		})))
		nc := overTLS.dial(t, s.at)
		Send(t, nc, "last")
		cutOff(t, nc)
		if got := Receive(t, got, "octets"); got != "last" {
			t.Errorf("Bytes(%q) before the end; want %q", got, "last")
		}
		if err := Receive(t, told, "End"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("End(%v); want %v", err, io.ErrUnexpectedEOF)
		}
		Wait(t, s)
	})
	t.run("server", func(t *trial) {
		read, told := make(chan struct{}), make(chan error, 1)
		up := Upstream(t, true, func(nc net.Conn) {
			_, _ = io.WriteString(nc, "last")
			<-read
			cutOff(t, nc)
		})
		s := t.start(engine.Config{}, &engine.Listener{New: Fixed(newLastReader(up, read, told))})
		nc := Dial(t, s.at)
		Send(t, nc, "x")
		if err := Receive(t, told, "End of the server"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("End(%v); want %v", err, io.ErrUnexpectedEOF)
		}
		_ = nc.Close()
		Wait(t, s)
	})
}

// cutOff ends what nc sends by a FIN, and no word of TLS.
func cutOff(t *trial, nc net.Conn) {
	over, ok := nc.(interface{ NetConn() net.Conn })
	if !ok {
		t.Errorf("%T is not TLS", nc)
		return
	}
	if tcp, ok := over.NetConn().(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// resetConn closes nc by a reset.
func resetConn(nc net.Conn) {
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS, which would say goodbye
		nc = over.NetConn()
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = nc.Close()
}

// endUpstream reports the end of a server, and what it sent before that.
func endUpstream(t *trial) {
	for _, secure := range []bool{false, true} {
		for _, reset := range []bool{false, true} {
			t.run(fmt.Sprintf("upstream-tls=%v/reset=%v", secure, reset), func(t *trial) {
				read, told := make(chan struct{}), make(chan error, 1)
				up := Upstream(t, secure, func(nc net.Conn) {
					_, _ = io.WriteString(nc, "last")
					if <-read; reset {
						resetConn(nc)
					}
				})
				s := t.start(engine.Config{}, &engine.Listener{New: Fixed(newLastReader(up, read, told))})
				nc := Dial(t, s.at)
				Send(t, nc, "x")
				err := Receive(t, told, "End of the server")
				if reset != errors.Is(err, syscall.ECONNRESET) || !reset && err != nil {
					t.Errorf("End(%v) with reset=%v", err, reset)
				}
				_ = nc.Close()
				Wait(t, s)
			})
		}
	}
}

// newLastReader returns a core that dials to, closes read once it has got
// "last", and then passes on the End of that server.
func newLastReader(to *balance.Endpoint, read chan<- struct{}, told chan<- error) *Toy {
	return &Toy{
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			switch {
			case l == engine.Client:
				d.Dial(to, false)
			case len(p) < len("last"):
				return 0
			default:
				close(read)
			}
			return len(p)
		},
		OnEnd: func(l engine.Leg, err error, d engine.Driver) {
			if l == 1 {
				told <- err
			}
			d.Close(l, engine.Flush)
		},
	}
}

// endAfterHold keeps FIN back until the octets before it were offered.
func endAfterHold(t *trial) {
	t.inModes(func(t *trial, m mode) {
		events := make(chan string, 8)
		core := &Toy{
			OnTick: func(_ int64, why engine.Cause, d engine.Driver) {
				if why == engine.Deadline {
					events <- "tick"
					d.Hold(engine.Client, false)
				}
			},
			OnEnd: func(l engine.Leg, err error, d engine.Driver) {
				events <- fmt.Sprintf("end %v", err)
				d.Close(l, engine.Flush)
			},
		}
		core.OnBytes = func(_ engine.Leg, p []byte, d engine.Driver) int {
			events <- string(p)
			if string(p) == "a" {
				d.Hold(engine.Client, true)
				d.Wake(core.after(50 * time.Millisecond))
			}
			return len(p)
		}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Send(t, nc, "a")
		if got := Receive(t, events, "first event"); got != "a" {
			t.Errorf("event %q; want %q", got, "a")
		}
		Send(t, nc, "b")
		_ = nc.CloseWrite()
		for _, want := range []string{"tick", "b", "end <nil>"} {
			if got := Receive(t, events, "event "+want); got != want {
				t.Errorf("event %q; want %q", got, want)
			}
		}
		ExpectEnd(t, nc)
		_ = nc.Close()
		Wait(t, s)
	})
}

// endBehindOctets notices an end that comes together with the last octets,
// though the system announces both at once.
func endBehindOctets(t *trial) {
	for _, reset := range []bool{false, true} {
		t.run(fmt.Sprintf("reset=%v", reset), func(t *trial) {
			const clients = 300
			var octets, told atomic.Int64
			s := t.start(engine.Config{}, &engine.Listener{New: func(engine.Conn) engine.Core {
				return &Toy{
					OnBytes: func(_ engine.Leg, p []byte, _ engine.Driver) int {
						octets.Add(int64(len(p)))
						return len(p)
					},
					OnEnd: func(l engine.Leg, _ error, d engine.Driver) {
						told.Add(1)
						d.Close(l, engine.Flush)
					},
				}
			}})
			var all sync.WaitGroup
			for range clients {
				all.Go(func() { hitAndRun(t, s.at, reset) })
			}
			all.Wait()
			Becomes(t, "ends that were told", func() int { return int(told.Load()) }, clients)
			Wait(t, s)
			if got := octets.Load(); !reset && got != clients {
				t.Errorf("%d octets came; want %d", got, clients)
			}
		})
	}
}

// hitAndRun connects, sends an octet and is gone.
func hitAndRun(t *trial, to netip.AddrPort, reset bool) {
	nc, err := tryDial(t, to)
	if err != nil {
		t.Errorf("dial: %v", err)
		return
	}
	_, _ = io.WriteString(nc, "x")
	if reset {
		_ = nc.SetLinger(0)
	}
	_ = nc.Close()
}

// resetBehindOctets passes on what a server said before it reset the connection,
// though the core hears of both in one turn and resets its client at once.
func resetBehindOctets(t *trial) {
	for _, secure := range []bool{false, true} {
		for _, moves := range []bool{false, true} {
			t.run(fmt.Sprintf("upstream-tls=%v/moves=%v", secure, moves), func(t *trial) {
				t.inModes(func(t *trial, m mode) {
					begin, gone := make(chan struct{}), make(chan struct{})
					up := Upstream(t, secure, func(nc net.Conn) { sayLastWords(nc, begin, gone) })
					s := t.start(engine.Config{}, m.listener(Fixed(newHeir(up, moves, begin, gone))))
					nc := m.dial(t, s.at)
					Send(t, nc, "dial")
					Expect(t, nc, "dialled")
					Send(t, nc, "begin")
					if got, err := io.ReadAll(nc); string(got) != "last words" || !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("read %q, %v; want the last words, and a reset", got, err)
					}
					Wait(t, s)
				})
			})
		}
	}
}

// sayLastWords waits for begin, speaks, resets the connection, and closes gone.
func sayLastWords(nc net.Conn, begin, gone chan struct{}) {
	if over, ok := nc.(*tls.Conn); ok {
		_ = over.Handshake() //nolint:noctx // its end ends it
	}
	<-begin
	for _, word := range []string{"last ", "words"} { // the first may wake a reader
		_, _ = io.WriteString(nc, word)
		delivered(nc) // closing drops what has not arrived
	}
	resetConn(nc)
	close(gone)
}

// newHeir returns a core that dials to at the first octets of its client. At the next
// ones it closes begin, and goes on when gone is closed, so that what came meanwhile
// is there at once. It passes on what the server says, and any end by a reset.
func newHeir(to *balance.Endpoint, moves bool, begin, gone chan struct{}) *Toy {
	dialled := false
	return &Toy{
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			switch {
			case l != engine.Client:
				d.Send(engine.Client, p)
			case !dialled:
				dialled = true
				d.Dial(to, false)
			default:
				close(begin)
				<-gone
			}
			return len(p)
		},
		OnDialed: func(l engine.Leg, _ bool, _ error, d engine.Driver) {
			d.Send(engine.Client, []byte("dialled"))
			if moves {
				d.Move(l, engine.Client, -1)
			}
		},
		OnEnd: func(_ engine.Leg, _ error, d engine.Driver) {
			d.Close(1, engine.Reset)
			d.Close(engine.Client, engine.Reset)
		},
	}
}

// endOfWrite reports a leg that fails while it is held, once octets that are
// sent to it find out.
func endOfWrite(t *trial) {
	t.inModesTogether(func(t *trial, m mode) {
		held, told := make(chan struct{}), make(chan error, 1)
		core := &Toy{
			OnTick: func(now int64, _ engine.Cause, d engine.Driver) {
				d.Send(engine.Client, []byte("to nobody"))
				d.Wake(now + int64(5*time.Millisecond))
			},
			OnEnd: func(_ engine.Leg, err error, d engine.Driver) {
				d.Wake(0)
				told <- err
			},
		}
		core.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
			d.Hold(l, true)
			d.Wake(core.after(0))
			close(held)
			return len(p)
		}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Send(t, nc, "x")
		Receive(t, held, "Bytes")
		resetConn(nc)
		if err := Receive(t, told, "End"); err == nil {
			t.Error("End(nil) of a leg that was reset; want an error")
		}
		Wait(t, s)
	})
}
