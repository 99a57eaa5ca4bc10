package enginetest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// upStartTLSs returns how TLS begins towards a server.
func upStartTLSs() []behaviour {
	return []behaviour{
		{"starttls-upstream", startTLSUpstream, alone},
		{"starttls-upstream-fails", startTLSUpstreamFails, together},
		{"starttls-then-moves", startTLSMoves, alone},
		{"starttls-not-parked", startTLSNotParked, alone},
	}
}

// startingServer greets in plain, and speaks TLS behind a command.
func startingServer(t *trial, handle func(net.Conn)) *balance.Endpoint {
	t.Helper()
	up := Upstream(t, false, func(nc net.Conn) {
		_, _ = io.WriteString(nc, "220 hello\r\n")
		got := make([]byte, len(command))
		if _, err := io.ReadFull(nc, got); err != nil || string(got) != command {
			t.Errorf("the server got %q, %v; want %q", got, err, command)
			return
		}
		_, _ = io.WriteString(nc, ready)
		handle(nc)
	})
	up.StartTLS = ClientTLS()
	return up
}

// overServerTLS returns a server that speaks TLS.
func overServerTLS(handle func(net.Conn)) func(net.Conn) {
	return func(nc net.Conn) { handle(tls.Server(nc, ServerTLS())) }
}

// hears waits for the first octets of a handshake.
func hears(nc net.Conn) { _, _ = nc.Read(make([]byte, 1<<10)) }

// upStarter begins TLS on the connection to its server, once the client has said
// go or, at once, behind the server's word.
type upStarter struct {
	Toy
	answers chan secured
}

func newUpStarter(up *balance.Endpoint, waits bool) *upStarter {
	c := &upStarter{answers: make(chan secured, 1)}
	c.OnOpen = func(_ int64, d engine.Driver) { d.Dial(up, false) }
	c.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		switch {
		case l == engine.Client && string(p) == "go":
			d.StartTLS(1, false)
			d.Send(1, []byte("in TLS"))
		case l == engine.Client:
			d.Send(1, p)
		case bytes.HasPrefix(p, []byte("220 hello")):
			d.Send(1, []byte(command))
		case string(p) == ready && waits:
			d.Send(engine.Client, []byte("ready"))
		case string(p) == ready:
			d.StartTLS(1, true)
			d.Send(1, []byte("in TLS"))
		default:
			d.Send(engine.Client, p)
		}
		return len(p)
	}
	c.OnSecured = func(_ engine.Leg, dropped int, err error, d engine.Driver) {
		c.answers <- secured{dropped, err}
		if err != nil {
			d.Close(engine.Client, engine.Flush)
		}
	}
	return c
}

// startTLSUpstream speaks first towards a server, in the turn of its answer or in
// that of the client.
func startTLSUpstream(t *trial) {
	for _, waits := range []bool{false, true} {
		t.run(fmt.Sprintf("by-client=%v", waits), func(t *trial) {
			core := newUpStarter(startingServer(t, overServerTLS(EchoServer)), waits)
			s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
			nc := Dial(t, s.at)
			if waits {
				Expect(t, nc, "ready")
				Send(t, nc, "go")
			}
			Expect(t, nc, "in TLS")
			if got := Receive(t, core.answers, "Secured"); got != (secured{}) {
				t.Errorf("Secured(%d, %v); want 0, nil", got.dropped, got.err)
			}
			Send(t, nc, "x")
			Expect(t, nc, "x")
		})
	}
}

// startTLSUpstreamFails answers with what went wrong, and gives a server the time
// of its endpoint.
func startTLSUpstreamFails(t *trial) {
	stranger := startingServer(t, overServerTLS(EchoServer))
	stranger.StartTLS = &tls.Config{ServerName: serverName, MinVersion: tls.VersionTLS12}
	silent := startingServer(t, Discard)
	silent.ConnectTimeout = 50 * time.Millisecond
	for _, tt := range []struct {
		name string
		to   *balance.Endpoint
		is   func(error) bool
	}{
		{"unknown-ca", stranger, isError[*tls.CertificateVerificationError]},
		{"closed", startingServer(t, func(nc net.Conn) { hears(nc) }), func(err error) bool { return err != nil && !isTimeout(err) }},
		{"plain", startingServer(t, func(nc net.Conn) { hears(nc); _, _ = io.WriteString(nc, "500 what?\r\n") }), isError[tls.RecordHeaderError]},
		{"silent", silent, func(err error) bool { return errors.Is(err, engine.ErrTLSTime) && isTimeout(err) }},
	} {
		t.run(tt.name, func(t *trial) {
			core := newUpStarter(tt.to, true)
			s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
			nc := Dial(t, s.at)
			Expect(t, nc, "ready")
			began := time.Now()
			Send(t, nc, "go")
			if got := Receive(t, core.answers, "Secured"); !tt.is(got.err) {
				t.Errorf("Secured(%v); want another error", got.err)
			}
			if took := time.Since(began); tt.name == "silent" && took < tt.to.ConnectTimeout {
				t.Errorf("answered after %v; want %v or more", took, tt.to.ConnectTimeout)
			}
			ExpectEnd(t, nc)
			_ = nc.Close()
			Wait(t, s)
		})
	}
}

// bothStarter begins TLS on both sides, and joins them then.
func bothStarter(t *trial, up *balance.Endpoint) *starter {
	t.Helper()
	core := newStarter(true, false)
	begin := core.OnBytes
	core.OnOpen = func(_ int64, d engine.Driver) { d.Dial(up, false) }
	core.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		switch {
		case l == engine.Client:
			d.Hold(l, true)
			return begin(l, p, d)
		case string(p) == ready:
			d.StartTLS(l, true)
		case strings.HasPrefix(string(p), "220 hello"):
			d.Send(l, []byte(command))
		default:
			t.Errorf("the core is offered %q of the server; want it to move", p)
		}
		return len(p)
	}
	both := 0
	core.OnSecured = func(_ engine.Leg, _ int, err error, d engine.Driver) {
		core.answers <- secured{err: err}
		if both++; both == 2 {
			d.Move(engine.Client, 1, -1)
			d.Move(1, engine.Client, -1)
			d.Hold(engine.Client, false)
		}
	}
	core.OnEnd = func(l engine.Leg, err error, d engine.Driver) {
		if err != nil {
			t.Errorf("End(%d, %v)", l, err)
		}
		if l == engine.Client {
			d.Close(1, engine.Half)
			return
		}
		d.Close(1, engine.Flush)
		d.Close(engine.Client, engine.Flush)
	}
	return core
}

// startTLSMoves has octets move once both sides speak TLS.
func startTLSMoves(t *trial) {
	core := bothStarter(t, startingServer(t, overServerTLS(EchoServer)))
	s := t.start(engine.Config{}, startListener(core))
	plain := Dial(t, s.at)
	Send(t, plain, command)
	Expect(t, plain, ready)
	nc := tls.Client(plain, ClientTLS())
	Expect(t, nc, "first in TLS\r\n")
	text := strings.Repeat("octets ", 100_000)
	go func() {
		_, _ = io.WriteString(nc, text)
		_ = nc.CloseWrite()
	}()
	Expect(t, nc, text)
	ExpectEnd(t, nc)
	for range 2 {
		if got := Receive(t, core.answers, "Secured"); got.err != nil {
			t.Errorf("Secured(%v)", got.err)
		}
	}
	_ = nc.Close()
	Wait(t, s)
}

// startTLSNotParked closes what would be parked: the TLS of one session is no
// beginning of another.
func startTLSNotParked(t *trial) {
	ends := make(chan error, 2)
	up := startingServer(t, overServerTLS(func(nc net.Conn) {
		_, err := io.Copy(io.Discard, nc)
		ends <- err
	}))
	core := newUpStarter(up, false)
	core.OnSecured = func(l engine.Leg, _ int, err error, d engine.Driver) {
		core.answers <- secured{err: err}
		d.Close(l, engine.Park)
	}
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
	nc := Dial(t, s.at)
	if got := Receive(t, core.answers, "Secured"); got.err != nil {
		t.Fatal(got.err)
	}
	if err := Receive(t, ends, "end at the server"); err != nil {
		t.Errorf("the server read %v; want the end", err)
	}
	_ = nc.Close()
	Wait(t, s)
}
