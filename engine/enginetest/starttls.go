package enginetest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"casbah/engine"
)

// startTLSs returns how TLS begins on a connection that is plain so far.
func startTLSs() []behaviour {
	return []behaviour{
		{"starttls-client", startTLSClient, alone},
		{"starttls-injected", startTLSInjected, alone},
		{"starttls-early-hello", startTLSEarlyHello, alone},
		{"starttls-fails", startTLSFails, alone},
		{"starttls-refused", startTLSRefused, alone},
		{"starttls-behind-output", startTLSBehindOutput, alone},
		{"starttls-closed-meanwhile", startTLSClosed, together},
		{"starttls-panic", startTLSPanic, alone},
	}
}

// secured is what a core is told by Secured.
type secured struct {
	dropped int
	err     error
}

// command is the line at which the cores of these tests begin TLS; ready answers
// it.
const (
	command = "STARTTLS\r\n"
	ready   = "220 go ahead\r\n"
)

// starter begins TLS on its client at a command, and echoes all else. What it
// sends behind StartTLS leaves in TLS.
type starter struct {
	Toy
	drop    bool
	later   bool // in another turn than the command's
	answers chan secured
	offered bytes.Buffer // octets that it was offered, each time
}

func newStarter(drop, later bool) *starter {
	c := &starter{drop: drop, later: later, answers: make(chan secured, 4)}
	begin := func(d engine.Driver) {
		d.Send(engine.Client, []byte(ready))
		d.StartTLS(engine.Client, c.drop)
		d.Send(engine.Client, []byte("first in TLS\r\n"))
	}
	c.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		c.offered.Write(p)
		switch {
		case !bytes.HasPrefix(p, []byte(command)):
			d.Send(l, p)
			return len(p)
		case c.later:
			d.Wake(c.after(time.Millisecond))
		default:
			begin(d)
		}
		return len(command)
	}
	c.OnTick = func(_ int64, why engine.Cause, d engine.Driver) {
		if why == engine.Deadline {
			begin(d)
		}
	}
	c.OnSecured = func(l engine.Leg, dropped int, err error, d engine.Driver) {
		c.answers <- secured{dropped, err}
		if err == nil {
			d.Send(l, []byte("secured\r\n"))
		}
	}
	return c
}

// startListener is a plain listener whose core may begin TLS.
func startListener(core engine.Core) *engine.Listener {
	return &engine.Listener{New: Fixed(core), StartTLS: ServerTLS()}
}

// startTLSClient answers a command in plain and goes on in TLS, be it in the turn
// that read the command or in another one; a core that holds its client holds
// what comes in TLS, and no handshake.
func startTLSClient(t *trial) {
	for _, later := range []bool{false, true} {
		t.run(fmt.Sprintf("later=%v", later), func(t *trial) {
			core := newStarter(true, later)
			held := core.OnSecured
			core.OnSecured = func(l engine.Leg, dropped int, err error, d engine.Driver) {
				held(l, dropped, err, d)
				d.Hold(l, false)
			}
			open := core.OnBytes
			core.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
				if bytes.HasPrefix(p, []byte(command)) {
					d.Hold(l, true)
				}
				return open(l, p, d)
			}
			s := t.start(engine.Config{}, startListener(core))
			plain := Dial(t, s.at)
			Send(t, plain, "hello")
			Expect(t, plain, "hello")
			Send(t, plain, command)
			Expect(t, plain, ready)
			nc := tls.Client(plain, ClientTLS())
			Expect(t, nc, "first in TLS\r\nsecured\r\n")
			if got := Receive(t, core.answers, "Secured"); got != (secured{}) {
				t.Errorf("Secured(%d, %v); want 0, nil", got.dropped, got.err)
			}
			for _, n := range []int{1, 100, 100 << 10} {
				text := strings.Repeat("x", n)
				go func() { _, _ = io.WriteString(nc, text) }()
				Expect(t, nc, text)
			}
			_ = nc.CloseWrite()
			ExpectEnd(t, nc)
			_ = nc.Close()
			Wait(t, s)
		})
	}
}

// injected is what somebody on the way puts behind a command, in plain.
const injected = "A1 LOGIN eve secret\r\n"

// startTLSInjected keeps what came behind the command in plain from the core:
// dropped, or taken for a handshake, which then fails.
func startTLSInjected(t *trial) {
	for _, drop := range []bool{false, true} {
		t.run(fmt.Sprintf("drop=%v", drop), func(t *trial) {
			core := newStarter(drop, false)
			s := t.start(engine.Config{}, startListener(core))
			plain := Dial(t, s.at)
			Send(t, plain, command+injected)
			Expect(t, plain, ready)
			injects(t, core, tls.Client(plain, ClientTLS()))
			_ = plain.Close()
			Wait(t, s)
			if got := core.offered.String(); got != command+injected && got != command+injected+"x" {
				t.Errorf("the core was offered %q; want what was injected once, and not used", got)
			}
		})
	}
}

// injects begins TLS behind what was injected.
func injects(t *trial, core *starter, nc *tls.Conn) {
	t.Helper()
	if !core.drop {
		if got := Receive(t, core.answers, "Secured"); got.dropped != 0 || got.err == nil {
			t.Errorf("Secured(%d, %v); want 0 and an error", got.dropped, got.err)
		}
		if err := nc.HandshakeContext(t.Context()); err == nil {
			t.Error("the handshake works; want it to fail")
		}
		return
	}
	Expect(t, nc, "first in TLS\r\nsecured\r\n")
	if got := Receive(t, core.answers, "Secured"); got != (secured{dropped: len(injected)}) {
		t.Errorf("Secured(%d, %v); want %d, nil", got.dropped, got.err, len(injected))
	}
	Send(t, nc, "x")
	Expect(t, nc, "x")
}

// startTLSEarlyHello takes a handshake that the client begins before it is told
// to go ahead, where nothing is to be dropped.
func startTLSEarlyHello(t *trial) {
	core := newStarter(false, false)
	s := t.start(engine.Config{}, startListener(core))
	behind := &skipping{Conn: &prefixed{Conn: Dial(t, s.at), prefix: []byte(command)}, skip: len(ready)}
	nc := tls.Client(behind, ClientTLS())
	Expect(t, nc, "first in TLS\r\nsecured\r\n")
	Send(t, nc, "x")
	Expect(t, nc, "x")
	_ = nc.Close()
	Wait(t, s)
}

// skipping is a connection whose first octets are passed over by who reads it.
type skipping struct {
	net.Conn
	skip int
}

func (c *skipping) Read(p []byte) (int, error) {
	if n := c.skip; n > 0 {
		c.skip = 0
		if _, err := io.ReadFull(c.Conn, make([]byte, n)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// startTLSFails tells the core what became of the handshake, and closes the leg:
// nothing else is reported of it.
func startTLSFails(t *trial) {
	for _, tt := range []struct {
		name string
		end  func(nc *net.TCPConn)
	}{
		{"plain", func(nc *net.TCPConn) { _, _ = io.WriteString(nc, "A1 LOGIN me secret\r\n") }},
		{"fin", func(nc *net.TCPConn) { _ = nc.CloseWrite() }},
		{"part-then-fin", func(nc *net.TCPConn) { _, _ = io.WriteString(nc, "\x16\x03\x01"); _ = nc.CloseWrite() }},
		{"reset", func(nc *net.TCPConn) { resetConn(nc) }},
	} {
		for _, later := range []bool{false, true} {
			t.run(fmt.Sprintf("%s/later=%v", tt.name, later), func(t *trial) {
				core := newStarter(true, later)
				core.OnEnd = func(_ engine.Leg, err error, _ engine.Driver) { t.Errorf("End(%v); want Secured alone", err) }
				s := t.start(engine.Config{}, startListener(core))
				nc := Dial(t, s.at)
				Send(t, nc, command)
				Expect(t, nc, ready)
				tt.end(nc)
				if got := Receive(t, core.answers, "Secured"); got.err == nil || isTimeout(got.err) {
					t.Errorf("Secured(%v); want an error, and no time-out", got.err)
				}
				_, _ = io.Copy(io.Discard, nc)
				_ = nc.Close()
				Wait(t, s)
			})
		}
	}
}

// startTLSRefused answers at once where TLS cannot begin. What is sent behind it was
// to leave in TLS, and leaves in no other way.
func startTLSRefused(t *trial) {
	up := Upstream(t, false, Discard)
	for _, tt := range []struct {
		name string
		ln   *engine.Listener
		m    mode
		act  func(d engine.Driver) // before, at the first octets
		on   engine.Leg
		want error
	}{
		{"no-configuration", &engine.Listener{}, plain, nil, engine.Client, engine.ErrNoTLS},
		{"tls-already", &engine.Listener{TLS: ServerTLS(), StartTLS: ServerTLS()}, overTLS, nil, engine.Client, engine.ErrNoTLS},
		{"half-closed", &engine.Listener{StartTLS: ServerTLS()}, plain, func(d engine.Driver) { d.Close(engine.Client, engine.Half) }, engine.Client, engine.ErrTLSOver},
		{"dialling", &engine.Listener{}, plain, func(d engine.Driver) { d.Dial(up, false) }, 1, engine.ErrNoTLS},
	} {
		t.run(tt.name, func(t *trial) {
			answers := make(chan error, 1)
			tt.ln.New = Fixed(&Toy{
				OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
					if tt.act != nil {
						tt.act(d)
					}
					d.StartTLS(tt.on, true)
					d.Send(tt.on, []byte("for TLS alone"))
					return len(p)
				},
				OnSecured: func(_ engine.Leg, _ int, err error, d engine.Driver) {
					answers <- err
					d.Close(engine.Client, engine.Flush)
				},
			})
			s := t.start(engine.Config{}, tt.ln)
			nc := tt.m.dial(t, s.at)
			Send(t, nc, command)
			if err := Receive(t, answers, "Secured"); !errors.Is(err, tt.want) {
				t.Errorf("Secured(%v); want %v", err, tt.want)
			}
			ExpectEnd(t, nc)
			_ = nc.Close()
			Wait(t, s)
		})
	}
}

// startTLSBehindOutput lets all that was sent in plain leave before the
// handshake, however slowly it is taken.
func startTLSBehindOutput(t *trial) {
	const n = 4 << 20
	core := newStarter(false, false) // the client's first flight may come with its command
	begin := core.OnBytes
	core.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		if bytes.HasPrefix(p, []byte(command)) {
			d.Send(l, make([]byte, n))
		}
		return begin(l, p, d)
	}
	s := t.start(engine.Config{}, startListener(core))
	plain := Dial(t, s.at)
	Send(t, plain, command)
	shaken := make(chan struct{})
	nc := tls.Client(&gated{Conn: plain, open: shaken}, ClientTLS())
	go func() {
		_ = nc.HandshakeContext(t.Context()) // its first flight comes while the output is stuck
	}()
	got, err := io.ReadAll(io.LimitReader(plain, n+int64(len(ready))))
	if err != nil || len(got) != n+len(ready) || string(got[n:]) != ready {
		t.Fatalf("read %d octets, %v; want %d in plain", len(got), err, n+len(ready))
	}
	close(shaken)
	Expect(t, nc, "first in TLS\r\nsecured\r\n")
	Send(t, nc, "x")
	Expect(t, nc, "x")
}

// gated is a connection that is read only once it is open.
type gated struct {
	net.Conn
	open <-chan struct{}
}

func (c *gated) Read(p []byte) (int, error) {
	<-c.open
	return c.Conn.Read(p)
}

// startTLSClosed reports nothing of a leg that its core closes while the
// handshake goes on, and nor does a kill wait for it.
func startTLSClosed(t *trial) {
	for name, end := range map[string]func(d engine.Driver){
		"flush": func(d engine.Driver) { d.Close(engine.Client, engine.Flush) },
		"reset": func(d engine.Driver) { d.Close(engine.Client, engine.Reset) },
		"kill":  nil,
	} {
		t.run(name, func(t *trial) {
			core := newStarter(true, false)
			core.OnSecured = func(_ engine.Leg, _ int, err error, _ engine.Driver) { t.Errorf("Secured(%v) after Close", err) }
			begin := core.OnBytes
			var halfway atomic.Bool
			core.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
				d.Wake(core.after(time.Millisecond))
				return begin(l, p, d)
			}
			core.OnTick = func(_ int64, why engine.Cause, d engine.Driver) {
				if d.Wake(core.after(time.Millisecond)); why == engine.Deadline && halfway.Load() {
					end(d)
				}
			}
			s := t.start(engine.Config{}, startListener(core))
			nc := Dial(t, s.at)
			Send(t, nc, command)
			Expect(t, nc, ready)
			Send(t, nc, "\x16\x03\x01")
			delivered(nc)
			if end == nil {
				s.Kill()
			} else {
				halfway.Store(true)
			}
			if p, _ := io.ReadAll(nc); len(p) > 0 {
				t.Errorf("read %q; want nothing behind the plain octets", p)
			}
			_ = nc.Close()
			Wait(t, s)
		})
	}
}

// startTLSPanic ends a connection whose handshake has a callback that panics, and
// no other.
func startTLSPanic(t *trial) {
	told := make(chan string, 1)
	ln := &engine.Listener{
		New:      func(engine.Conn) engine.Core { return newStarter(true, false) },
		StartTLS: ServerTLS(),
	}
	ln.StartTLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { inCallback(); return nil, nil }
	s := t.start(engine.Config{OnPanic: func(_ string, _ any, stack []byte) { told <- string(stack) }}, ln)
	other := Dial(t, s.at)
	Send(t, other, "x")
	Expect(t, other, "x")
	nc := Dial(t, s.at)
	Send(t, nc, command)
	Expect(t, nc, ready)
	if err := tls.Client(nc, ClientTLS()).HandshakeContext(t.Context()); err == nil {
		t.Error("the handshake works")
	}
	if stack := Receive(t, told, "panic"); !strings.Contains(stack, "enginetest.inCallback") {
		t.Errorf("told of\n%s\nwant the stack to inCallback", stack)
	}
	Becomes(t, "Open()", s.Open, 1)
	Send(t, other, "x")
	Expect(t, other, "x")
}
