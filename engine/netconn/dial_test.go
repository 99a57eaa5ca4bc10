package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// dialOnce dials e at the first octets and reports what Dialed said. The client
// is closed then.
func dialOnce(e *balance.Endpoint, answers chan<- error) *toy {
	core := &toy{}
	core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		d.Dial(e, false)
		return len(p)
	}
	core.dialed = func(l engine.Leg, _ bool, err error, d engine.Driver) {
		answers <- err
		d.Close(l, engine.Flush)
		d.Close(engine.Client, engine.Flush)
	}
	return core
}

// TestDialErrors answers with what went wrong.
func TestDialErrors(t *testing.T) {
	gone := listen(t)
	_ = gone.Close()
	noTLS := upstream(t, false, func(nc net.Conn) { send(t, nc, "220 I speak plain\r\n") })
	noTLS.TLS = clientTLS()
	silent := upstream(t, false, func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) })
	silent.TLS, silent.ConnectTimeout = clientTLS(), 50*time.Millisecond
	stranger := upstream(t, true, echoServer)
	stranger.TLS = &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS12}

	refused, isRecord := endpointOf(gone), func(err error) bool {
		_, ok := errors.AsType[tls.RecordHeaderError](err)
		return ok
	}
	tests := []struct {
		name string
		to   *balance.Endpoint
		want func(error) bool
	}{
		{"works", upstream(t, false, echoServer), func(err error) bool { return err == nil }},
		{"works-tls", upstream(t, true, echoServer), func(err error) bool { return err == nil }},
		{"unresolved", &balance.Endpoint{}, func(err error) bool { return errors.Is(err, errUnresolved) }},
		{"refused", refused, func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		{"no-tls", noTLS, isRecord},
		{"slow-tls", silent, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{"unknown-ca", stranger, func(err error) bool {
			_, ok := errors.AsType[*tls.CertificateVerificationError](err)
			return ok
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answers := make(chan error, 1)
			ln := &engine.Listener{New: fixed(dialOnce(tt.to, answers))}
			e := start(t, engine.Config{}, ln)
			nc := dial(t, ln)
			send(t, nc, "x")
			if err := receive(t, answers, "Dialed"); !tt.want(err) {
				t.Errorf("Dialed(%v)", err)
			}
			expectEnd(t, nc)
			_ = nc.Close()
			wait(t, e)
		})
	}
}

// TestDialTimeout answers at the endpoint's time.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan error, 1)
		core := dialOnce(&balance.Endpoint{ConnectTimeout: 3 * time.Second}, answers)
		e := New(engine.Config{Dial: hang})
		a, b := net.Pipe()
		e.ServeConn(b, &engine.Listener{New: fixed(core)})
		began := time.Now()
		send(t, a, "x")
		err := <-answers
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
			t.Errorf("Dialed(%v) after %v; want a time-out after 3s", err, took)
		}
		_ = a.Close()
		if err := e.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// hang is a dial that never comes through.
func hang(ctx context.Context, _ *balance.Endpoint) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestCloseWhileDialling ends the dial, and nothing is reported of it.
func TestCloseWhileDialling(t *testing.T) {
	for _, how := range []engine.How{engine.Flush, engine.Reset, engine.Park} {
		synctest.Test(t, func(t *testing.T) {
			core := &toy{}
			core.bytes = func(_ engine.Leg, p []byte, d engine.Driver) int {
				d.Close(d.Dial(&balance.Endpoint{}, false), how)
				d.Close(engine.Client, engine.Flush)
				return len(p)
			}
			core.dialed = func(engine.Leg, bool, error, engine.Driver) { t.Error("Dialed after Close") }
			e := New(engine.Config{Dial: hang})
			a, b := net.Pipe()
			e.ServeConn(b, &engine.Listener{New: fixed(core)})
			began := time.Now()
			send(t, a, "x")
			if err := e.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("the dial went on for %v; want it ended", took)
			}
			_ = a.Close()
		})
	}
}

// TestSendWhileDialling queues what is sent before the answer.
func TestSendWhileDialling(t *testing.T) {
	up := upstream(t, false, echoServer)
	core := &toy{}
	core.bytes = func(l engine.Leg, p []byte, d engine.Driver) int {
		if l == engine.Client {
			d.Send(d.Dial(up, false), p)
			return len(p)
		}
		d.Send(engine.Client, p)
		d.Close(engine.Client, engine.Flush)
		d.Close(l, engine.Flush)
		return len(p)
	}
	ln := &engine.Listener{New: fixed(core)}
	start(t, engine.Config{}, ln)
	nc := dial(t, ln)
	send(t, nc, "early")
	expect(t, nc, "early")
	expectEnd(t, nc)
}

// TestLegNumbers gives the lowest free number, and takes it back after an error.
func TestLegNumbers(t *testing.T) {
	var got []engine.Leg
	done := make(chan struct{})
	unresolved := &balance.Endpoint{}
	core := &toy{}
	core.bytes = func(_ engine.Leg, p []byte, d engine.Driver) int {
		for range 3 {
			got = append(got, d.Dial(unresolved, true))
		}
		d.Close(2, engine.Flush)
		got = append(got, d.Dial(unresolved, false))
		return len(p)
	}
	answers := 0
	core.dialed = func(l engine.Leg, _ bool, _ error, d engine.Driver) {
		if answers++; answers == 1 {
			got = append(got, d.Dial(unresolved, false))
		}
		if answers == 4 {
			close(done)
		}
	}
	ln := &engine.Listener{New: fixed(core)}
	start(t, engine.Config{}, ln)
	send(t, dial(t, ln), "x")
	receive(t, done, "four answers")
	want := []engine.Leg{1, 2, 3, 2, 1}
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("legs = %v; want %v", got, want)
		}
	}
}

// TestAddrPort takes what is no TCP address as none.
func TestAddrPort(t *testing.T) {
	mapped := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1).To16(), Port: 80}
	if got, want := addrPort(mapped), netip.MustParseAddrPort("192.0.2.1:80"); got != want {
		t.Errorf("addrPort(%v) = %v; want %v", mapped, got, want)
	}
	if got := addrPort(&net.UnixAddr{}); got.IsValid() {
		t.Errorf("addrPort(unix) = %v; want none", got)
	}
}
