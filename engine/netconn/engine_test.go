package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"casbah/engine"
)

// TestDrain tells every core once, and waits for it.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 5
		var drained atomic.Int64
		ln := &engine.Listener{New: func(engine.Conn) engine.Core {
			core := &toy{}
			core.tick = func(now int64, why engine.Cause, d engine.Driver) {
				if why == engine.Drain {
					drained.Add(1)
					d.Wake(now + int64(7*time.Second))
					return
				}
				d.Close(engine.Client, engine.Flush)
			}
			return core
		}}
		e := New(engine.Config{})
		for range n {
			a, b := net.Pipe()
			defer a.Close()
			e.ServeConn(b, ln)
		}
		synctest.Wait()
		began := time.Now()
		e.Drain()
		if got := e.Open(); got != n {
			t.Errorf("Open() = %d at once; want %d", got, n)
		}
		if err := e.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 7*time.Second || drained.Load() != n {
			t.Errorf("%d cores drained in %v; want %d in 7s", drained.Load(), took, n)
		}
	})
}

// TestKill ends connections in every state: idle, stuck in a write, dialling,
// lingering, in their handshake.
func TestKill(t *testing.T) {
	stuck := func(engine.Conn) engine.Core {
		return &toy{bytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			d.Send(l, make([]byte, 32<<20))
			return len(p)
		}}
	}
	tests := []struct {
		name string
		ln   *engine.Listener
		cfg  Config
	}{
		{"idle", &engine.Listener{New: echo}, engine.Config{}},
		{"stuck", &engine.Listener{New: stuck}, engine.Config{}},
		{"dialling", &engine.Listener{New: newRelay(upstream(t, false, echoServer), true)}, engine.Config{Dial: hang}},
		{"relaying", &engine.Listener{New: newRelay(upstream(t, false, echoServer), true)}, engine.Config{}},
		{"lingering", &engine.Listener{New: oneShot("x", engine.Flush)}, engine.Config{}},
		{"handshake", &engine.Listener{New: echo, TLS: serverTLS()}, engine.Config{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := start(t, tt.cfg, tt.ln)
			nc := dial(t, tt.ln)
			send(t, nc, "x")
			if tt.name != "handshake" && tt.name != "dialling" {
				expect(t, nc, map[bool]string{true: "\x00", false: "x"}[tt.name == "stuck"])
			}
			wentTo(t, e, 1)
			began := time.Now()
			e.Kill()
			wait(t, e)
			if took := time.Since(began); took > lingerTime/2 {
				t.Errorf("Kill took %v; want it to be at once", took)
			}
		})
	}
}

// TestWaitEnds gives up with its context.
func TestWaitEnds(t *testing.T) {
	ln := &engine.Listener{New: echo}
	e := start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	send(t, nc, "x")
	expect(t, nc, "x")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := e.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait() = %v; want %v", err, context.DeadlineExceeded)
	}
}

// TestPanic ends the connection of a core that panics, and no other.
func TestPanic(t *testing.T) {
	tests := []struct {
		name string
		core func() *toy
	}{
		{"bytes", func() *toy {
			return &toy{bytes: func(engine.Leg, []byte, engine.Driver) int { panic("bytes") }}
		}},
		{"used-too-much", func() *toy {
			return &toy{bytes: func(_ engine.Leg, p []byte, _ engine.Driver) int { return len(p) + 1 }}
		}},
		{"after-send", func() *toy {
			return &toy{bytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				d.Send(l, make([]byte, 32<<20))
				panic("after send")
			}}
		}},
		{"after-park", func() *toy {
			up := upstream(t, false, echoServer)
			core := &toy{}
			core.bytes = func(_ engine.Leg, p []byte, d engine.Driver) int {
				d.Dial(up, false)
				return len(p)
			}
			core.dialed = func(l engine.Leg, _ bool, _ error, d engine.Driver) {
				d.Close(l, engine.Park)
				panic("after park")
			}
			return core
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stacks, told atomic.Int64
			cfg := engine.Config{OnPanic: func(where string, _ any, stack []byte) {
				told.Add(1)
				if stack != nil {
					stacks.Add(1)
				}
				if !strings.Contains(where, ".go:") {
					t.Errorf("where = %q; want a file and line", where)
				}
			}}
			var made atomic.Int64
			ln := &engine.Listener{New: func(c engine.Conn) engine.Core {
				if made.Add(1) == 1 {
					return echo(c)
				}
				return tt.core()
			}}
			e := start(t, cfg, ln)
			other := dial(t, ln)
			send(t, other, "x")
			expect(t, other, "x")
			for range 3 {
				nc := dial(t, ln)
				send(t, nc, "x")
				if _, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("read %v; want a reset", err)
				}
			}
			send(t, other, "y")
			expect(t, other, "y")
			if told.Load() != 3 || stacks.Load() != 1 || e.Panics() != 3 {
				t.Errorf("told %d, with stack %d, counted %d; want 3, 1, 3", told.Load(), stacks.Load(), e.Panics())
			}
		})
	}
}

// TestPanicInNew ends a connection whose core cannot be made.
func TestPanicInNew(t *testing.T) {
	ln := &engine.Listener{New: func(engine.Conn) engine.Core { panic("new") }}
	e := New(engine.Config{})
	a, b := net.Pipe()
	e.ServeConn(b, ln)
	expectEnd(t, a)
	wait(t, e)
	if e.Panics() != 1 {
		t.Errorf("Panics() = %d; want 1", e.Panics())
	}
}

// TestConn tells the core who is there.
func TestConn(t *testing.T) {
	inModes(t, func(t *testing.T, ln *engine.Listener, connect func(testing.TB) client) {
		infos := make(chan engine.Conn, 1)
		ln.New = func(c engine.Conn) engine.Core {
			infos <- c
			return echo(c)
		}
		start(t, engine.Config{}, ln)
		nc := connect(t)
		send(t, nc, "x")
		expect(t, nc, "x")
		got := receive(t, infos, "core")
		want := engine.Conn{Remote: addrPort(nc.LocalAddr()), Local: addrPort(nc.RemoteAddr())}
		if _, secure := nc.(*tls.Conn); secure {
			want.Secure, want.ServerName = true, "localhost"
		}
		if ln.ProxyFrom != nil {
			want = proxiedConn
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Conn = %+v; want %+v", got, want)
		}
	})
}
