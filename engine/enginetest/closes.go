package enginetest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"casbah/engine"
)

// closes returns what becomes of a leg that a core closes.
func closes() []behaviour {
	return []behaviour{
		{"close-flush", flush, alone},
		{"close-done", done, alone},
		{"close-flush-then-linger", lingerEnds, together},
		{"close-flush-cut-off", flushCutOff, together},
		{"close-notify-answered", closeNotify, alone},
		{"close-half", half, alone},
		{"close-half-then-flush", halfThenFlush, together},
		{"close-half-upstream", halfUpstream, alone},
		{"close-reset", reset, alone},
		{"close-reset-while-stuck", resetWhileStuck, together},
	}
}

// flush delivers a whole answer to a client that goes on sending: closing with
// its octets unread would reset the connection.
func flush(t *trial) {
	answer := strings.Repeat("answer ", 40<<10)
	t.inModes(func(t *trial, m mode) {
		s := t.start(engine.Config{}, m.listener(OneShot(answer, engine.Flush)))
		nc := m.dial(t, s.at)
		Send(t, nc, "x")
		for range 20 {
			Send(t, nc, strings.Repeat("y", 1000))
		}
		got, err := io.ReadAll(nc)
		if wrong := same(got, []byte(answer)); wrong != "" || err != nil {
			t.Errorf("%s; %v", wrong, err)
		}
		_ = nc.Close()
		Wait(t, s)
	})
}

// done delivers a whole answer, also where the peer has sent more than it said:
// its octets are unread then, and closing at once would reset the connection.
func done(t *trial) {
	answer := strings.Repeat("answer ", 40<<10)
	for _, said := range []string{"x", "x and more"} {
		t.inModes(func(t *trial, m mode) {
			s := t.start(engine.Config{}, m.listener(func(engine.Conn) engine.Core {
				var toy Toy
				toy.OnBytes = func(l engine.Leg, _ []byte, d engine.Driver) int {
					d.Send(l, []byte(answer))
					d.Wake(toy.after(time.Millisecond))
					return 1
				}
				toy.OnTick = func(_ int64, _ engine.Cause, d engine.Driver) { d.Close(engine.Client, engine.Done) }
				return &toy
			}))
			nc := m.dial(t, s.at)
			Send(t, nc, said)
			got, err := io.ReadAll(nc)
			if wrong := same(got, []byte(answer)); wrong != "" || err != nil {
				t.Errorf("%q: %s; %v", said, wrong, err)
			}
			_ = nc.Close()
			Wait(t, s)
		})
	}
}

// lingerEnds closes a leg whose peer neither closes nor stops sending.
func lingerEnds(t *trial) {
	for _, flood := range []bool{false, true} {
		t.run(fmt.Sprintf("flood=%v", flood), func(t *trial) {
			s := t.start(engine.Config{}, &engine.Listener{New: OneShot("bye", engine.Flush)})
			nc := Dial(t, s.at)
			Send(t, nc, "x")
			Expect(t, nc, "bye")
			if flood {
				if n, err := io.CopyN(nc, zeros{}, 1<<30); err == nil {
					t.Errorf("the client sent %d octets to a leg that is closed; want it stopped", n)
				}
			}
			Wait(t, s)
		})
	}
}

// flushCutOff resets a client that has not taken all in the time that it has: a FIN
// would say that this was all.
func flushCutOff(t *trial) {
	t.inModesTogether(func(t *trial, m mode) {
		core := &Toy{
			OnOpen: func(_ int64, d engine.Driver) { d.Send(engine.Client, []byte("hello")) },
			OnTick: func(_ int64, why engine.Cause, d engine.Driver) {
				if why == engine.Kill {
					d.Send(engine.Client, make([]byte, unsendable))
					d.Close(engine.Client, engine.Flush)
				}
			},
		}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Expect(t, nc, "hello")
		s.Kill()
		Wait(t, s)
		if n, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %d octets, %v; want a reset", n, err)
		}
	})
}

// closeNotify says that nothing follows (RFC 8446, Section 6.1) to a client that has
// said so before and reads on, and would take the answer for one that was cut off.
func closeNotify(t *trial) {
	core := &Toy{OnEnd: func(l engine.Leg, _ error, d engine.Driver) {
		d.Send(l, []byte("answer"))
		d.Close(l, engine.Flush)
	}}
	s := t.start(engine.Config{}, overTLS.listener(Fixed(core)))
	nc := tls.Client(cuts{Dial(t, s.at)}, ClientTLS())
	Send(t, nc, "x")
	if err := nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	Expect(t, nc, "answer")
	ExpectEnd(t, nc)
	_ = nc.Close()
	Wait(t, s)
}

// cuts is a connection of which a FIN is no good end.
type cuts struct{ net.Conn }

var errFIN = errors.New("a FIN without a close_notify")

func (c cuts) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = errFIN
	}
	return n, err
}

// halfThenFlush closes a leg that was closed by half before, and whose peer neither
// closes nor sends.
func halfThenFlush(t *trial) {
	t.inModesTogether(func(t *trial, m mode) {
		core := &Toy{OnTick: func(_ int64, _ engine.Cause, d engine.Driver) { d.Close(engine.Client, engine.Flush) }}
		core.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
			d.Send(l, []byte("bye"))
			d.Close(l, engine.Half)
			d.Wake(core.after(10 * time.Millisecond))
			return len(p)
		}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Send(t, nc, "x")
		Expect(t, nc, "bye")
		ExpectEnd(t, nc)
		Wait(t, s)
	})
}

// half sends FIN and goes on reading. Nothing is sent after it.
func half(t *trial) {
	t.inModes(func(t *trial, m mode) {
		got := make(chan string, 1)
		var all []byte
		core := &Toy{
			OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				if len(all) == 0 {
					d.Send(l, []byte("answer"))
					d.Close(l, engine.Half)
					if d.Send(l, []byte("not to be sent")) {
						t.Error("Send() after Half is full; want it dropped")
					}
				}
				all = append(all, p...)
				return len(p)
			},
			OnEnd: func(l engine.Leg, _ error, d engine.Driver) {
				got <- string(all)
				d.Close(l, engine.Flush)
			},
		}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		nc := m.dial(t, s.at)
		Send(t, nc, "one ")
		Expect(t, nc, "answer")
		ExpectEnd(t, nc)
		Send(t, nc, "two")
		if err := nc.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := Receive(t, got, "End"); got != "one two" {
			t.Errorf("the core got %q; want %q", got, "one two")
		}
		Wait(t, s)
	})
}

// halfUpstream sends a request and FIN to a server that answers after it, both
// before the connection is up.
func halfUpstream(t *trial) {
	for _, secure := range []bool{false, true} {
		t.run(fmt.Sprintf("upstream-tls=%v", secure), func(t *trial) {
			up := Upstream(t, secure, EchoServer)
			core := &Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				if l == engine.Client {
					l := d.Dial(up, false)
					d.Send(l, p)
					d.Close(l, engine.Half)
				} else {
					d.Send(engine.Client, p)
				}
				return len(p)
			}}
			core.OnEnd = func(l engine.Leg, err error, d engine.Driver) {
				if err != nil {
					t.Errorf("End(%d, %v)", l, err)
				}
				d.Close(1, engine.Flush)
				d.Close(engine.Client, engine.Flush)
			}
			s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
			nc := Dial(t, s.at)
			Send(t, nc, "request")
			Expect(t, nc, "request")
			ExpectEnd(t, nc)
			_ = nc.Close()
			Wait(t, s)
		})
	}
}

// reset loses what was not sent.
func reset(t *trial) {
	t.inModes(func(t *trial, m mode) {
		s := t.start(engine.Config{}, m.listener(OneShot("lost", engine.Reset)))
		nc := m.dial(t, s.at)
		Send(t, nc, "x")
		if p, err := io.ReadAll(nc); len(p) > 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %q, %v; want a reset", p, err)
		}
		Wait(t, s)
	})
}

// unsendable is more octets than the buffers of the system take from a driver
// whose peer does not read.
const unsendable = 16 << 20

// resetWhileStuck ends a write to a peer that does not read.
func resetWhileStuck(t *trial) {
	t.inModes(func(t *trial, m mode) {
		ticks, closed := 0, make(chan struct{})
		core := &Toy{
			OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				d.Send(l, make([]byte, unsendable))
				d.Wake(1)
				return len(p)
			},
			OnTick: func(now int64, _ engine.Cause, d engine.Driver) {
				if ticks++; ticks < 3 {
					d.Wake(now + int64(50*time.Millisecond))
				} else if ticks == 3 {
					d.Close(engine.Client, engine.Reset)
					close(closed)
				}
			},
		}
		s := t.start(engine.Config{}, m.listener(Fixed(core)))
		Send(t, m.dial(t, s.at), "x")
		Receive(t, closed, "third tick")
		Wait(t, s)
	})
}
