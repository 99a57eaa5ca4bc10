package enginetest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"

	"casbah/engine"
)

// panics returns what becomes of connections whose core panics.
func panics() []behaviour {
	return []behaviour{
		{"panic-of-core", panicOfCore, alone},
		{"panic-in-new", panicInNew, alone},
		{"panic-untold", panicUntold, alone},
		{"panic-in-callback", panicInCallback, alone},
	}
}

// panicCase is a core that panics once its client says something.
type panicCase struct {
	name string
	core func() *Toy
}

// panicCases returns cores that panic in every call, and with something open.
func panicCases(t *trial) []panicCase {
	t.Helper()
	up := Upstream(t, false, func(nc net.Conn) {
		_, _ = io.WriteString(nc, "x")
		Discard(nc)
	})
	dial := func(_ engine.Leg, p []byte, d engine.Driver) int {
		d.Dial(up, false)
		return len(p)
	}
	return []panicCase{
		{"bytes", func() *Toy {
			return &Toy{OnBytes: func(engine.Leg, []byte, engine.Driver) int { panic("bytes") }}
		}},
		{"used-too-much", func() *Toy {
			return &Toy{OnBytes: func(_ engine.Leg, p []byte, _ engine.Driver) int { return len(p) + 1 }}
		}},
		{"after-send", func() *Toy {
			return &Toy{OnBytes: func(l engine.Leg, _ []byte, d engine.Driver) int {
				d.Send(l, make([]byte, unsendable))
				panic("after send")
			}}
		}},
		{"dialed", func() *Toy {
			return &Toy{OnBytes: dial, OnDialed: func(engine.Leg, bool, error, engine.Driver) { panic("dialed") }}
		}},
		{"after-park", func() *Toy {
			return &Toy{OnBytes: dial, OnDialed: func(l engine.Leg, _ bool, _ error, d engine.Driver) {
				d.Close(l, engine.Park)
				panic("after park")
			}}
		}},
		{"moved", func() *Toy {
			return &Toy{
				OnBytes:  dial,
				OnDialed: func(l engine.Leg, _ bool, _ error, d engine.Driver) { d.Move(l, engine.Client, 1) },
				OnMoved:  func(engine.Leg, int64, engine.Driver) { panic("moved") },
			}
		}},
		{"tick", func() *Toy {
			core := &Toy{OnTick: func(int64, engine.Cause, engine.Driver) { panic("tick") }}
			core.OnBytes = func(_ engine.Leg, p []byte, d engine.Driver) int {
				d.Wake(core.after(0))
				return len(p)
			}
			return core
		}},
	}
}

// panicOfCore ends the connection of a core that panics, and no other, and tells
// the stack once.
func panicOfCore(t *trial) {
	for _, tt := range panicCases(t) {
		t.run(tt.name, func(t *trial) { panicThrice(t, tt.core) })
	}
}

// panicThrice serves three cores that panic, and one that does not.
func panicThrice(t *trial, core func() *Toy) {
	const n = 3
	var stacks, told, made atomic.Int64
	cfg := engine.Config{OnPanic: func(where string, _ any, stack []byte) {
		told.Add(1)
		if stack != nil {
			stacks.Add(1)
		}
		if !strings.Contains(where, ".go:") {
			t.Errorf("where = %q; want a file and line", where)
		}
	}}
	s := t.start(cfg, &engine.Listener{New: func(c engine.Conn) engine.Core {
		if made.Add(1) == 1 {
			return Echo(c)
		}
		return core()
	}})
	other := comesIn(t, plain, s)
	for range n {
		isReset(t, s.at)
	}
	Send(t, other, "y")
	Expect(t, other, "y")
	Becomes(t, "Panics()", func() int { return int(s.Panics()) }, n)
	Becomes(t, "panics that were told", func() int { return int(told.Load()) }, n)
	if stacks.Load() != 1 {
		t.Errorf("%d panics were told with their stack; want 1", stacks.Load())
	}
	Becomes(t, "Open()", s.Open, 1)
}

// isReset connects, says something, and wants to be reset.
func isReset(t *trial, at netip.AddrPort) {
	t.Helper()
	nc := Dial(t, at)
	Send(t, nc, "x")
	if _, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v; want a reset", err)
	}
}

// panicInNew ends a connection whose core cannot be made.
func panicInNew(t *trial) {
	t.inModes(func(t *trial, m mode) {
		var opened, closed, told atomic.Int64
		connected := make(chan struct{})
		ln := m.listener(func(engine.Conn) engine.Core {
			<-connected // a reset would fail the client's Dial
			panic("new")
		})
		ln.OnOpen, ln.OnClose = func() { opened.Add(1) }, func() { closed.Add(1) }
		s := t.start(engine.Config{OnPanic: func(string, any, []byte) { told.Add(1) }}, ln)
		nc := m.dial(t, s.at)
		close(connected)
		if p, err := io.ReadAll(nc); len(p) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %q, %v; want the end", p, err)
		}
		Wait(t, s)
		if s.Panics() != 1 || told.Load() != 1 {
			t.Errorf("Panics() = %d, %d told; want 1, 1", s.Panics(), told.Load())
		}
		if opened.Load() != 1 || closed.Load() != 1 {
			t.Errorf("opened %d, closed %d; want 1, 1", opened.Load(), closed.Load())
		}
	})
}

// panicUntold counts the panics of which nobody wants to be told.
func panicUntold(t *trial) {
	e := t.open(t, engine.Config{})
	sock := Serve(t, e, &engine.Listener{New: func(engine.Conn) engine.Core {
		return &Toy{OnBytes: func(engine.Leg, []byte, engine.Driver) int { panic("bytes") }}
	}})
	for range 2 {
		isReset(t, sock.Addr())
	}
	Becomes(t, "Panics()", func() int { return int(e.Panics()) }, 2)
}

// inCallback is where panicInCallback's callbacks panic.
func inCallback() { panic("callback") }

// panicInCallback ends a connection whose TLS has a callback that panics, and no
// other, and tells the stack on which it was: of the handshake with a client, and
// of that with a server.
func panicInCallback(t *trial) {
	failing := overTLS.listener(Echo)
	failing.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if hello.ServerName == "" {
			inCallback()
		}
		return nil, nil
	}
	up := Upstream(t, true, Discard)
	up.TLS.VerifyConnection = func(tls.ConnectionState) error { inCallback(); return nil }
	for name, ln := range map[string]*engine.Listener{
		"client": failing,
		"server": {New: func(engine.Conn) engine.Core {
			return &Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				if string(p) == "x" {
					d.Send(l, p)
				} else {
					d.Dial(up, false)
				}
				return len(p)
			}}
		}},
	} {
		t.run(name, func(t *trial) {
			type fault struct{ where, value, stack string }
			told := make(chan fault, 1)
			s := t.start(engine.Config{OnPanic: func(where string, value any, stack []byte) {
				told <- fault{where, fmt.Sprint(value), string(stack)}
			}}, ln)
			m := mode{secure: ln.TLS != nil}
			other := comesIn(t, m, s)
			nc := client(Dial(t, s.at))
			if m.secure {
				cfg := ClientTLS()
				cfg.ServerName, cfg.InsecureSkipVerify = "", true
				nc = tls.Client(nc, cfg)
			}
			_, _ = nc.Write([]byte("dial"))
			if _, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read %v; want a reset", err)
			}
			got := Receive(t, told, "panic")
			if !strings.Contains(got.where, "panics.go:") || got.value != "callback" || !strings.Contains(got.stack, "enginetest.inCallback") {
				t.Errorf("told of %q at %s:\n%s\nwant %q at panics.go, with the stack to inCallback", got.value, got.where, got.stack, "callback")
			}
			Becomes(t, "Open()", s.Open, 1)
			Send(t, other, "x")
			Expect(t, other, "x")
			if s.Panics() != 1 {
				t.Errorf("Panics() = %d; want 1", s.Panics())
			}
		})
	}
}
