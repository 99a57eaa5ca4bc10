package enginetest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// dials returns how connections to servers come about, or do not.
func dials() []behaviour {
	return []behaviour{
		{"dial-answers", dialAnswers, alone},
		{"dial-timeout", dialTimeout, together},
		{"dial-closed-meanwhile", closeWhileDialling, together},
		{"dial-send-meanwhile", sendWhileDialling, alone},
		{"dial-leg-numbers", legNumbers, alone},
	}
}

// dialOnce dials e at the first octets and passes on what Dialed said. All is
// closed then.
func dialOnce(e *balance.Endpoint, answers chan<- error) *Toy {
	return &Toy{
		OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
			d.Dial(e, false)
			return len(p)
		},
		OnDialed: func(l engine.Leg, _ bool, err error, d engine.Driver) {
			answers <- err
			d.Close(l, engine.Flush)
			d.Close(engine.Client, engine.Flush)
		},
	}
}

// dialCase is an endpoint and what Dialed says of it.
type dialCase struct {
	name string
	to   *balance.Endpoint
	want string
	is   func(error) bool
}

// dialCases returns endpoints that fail in every way, and two that work.
func dialCases(t *trial) []dialCase {
	t.Helper()
	gone := listen(t)
	_ = gone.Close()
	noTLS := Upstream(t, false, func(nc net.Conn) { _, _ = io.WriteString(nc, "220 I speak plain\r\n") })
	noTLS.TLS = ClientTLS()
	silent := Upstream(t, false, Discard)
	silent.TLS, silent.ConnectTimeout = ClientTLS(), 50*time.Millisecond
	rude := Upstream(t, false, func(net.Conn) {})
	rude.TLS = ClientTLS()
	stranger := Upstream(t, true, EchoServer)
	stranger.TLS = &tls.Config{ServerName: serverName, MinVersion: tls.VersionTLS12}
	works := func(err error) bool { return err == nil }
	fails := func(err error) bool { return err != nil && !isTimeout(err) }
	return []dialCase{
		{"works", Upstream(t, false, EchoServer), "nil", works},
		{"works-tls", Upstream(t, true, EchoServer), "nil", works},
		{"unresolved", &balance.Endpoint{}, "an error, and no time-out", fails},
		{"refused", endpointOf(gone), "ECONNREFUSED", func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		{"no-tls", noTLS, "a tls.RecordHeaderError", isError[tls.RecordHeaderError]},
		{"slow-tls", silent, "a time-out", isTimeout},
		{"closed-in-handshake", rude, "an error, and no time-out", fails},
		{"unknown-ca", stranger, "a tls.CertificateVerificationError", isError[*tls.CertificateVerificationError]},
	}
}

// isError reports whether err is, or wraps, an E.
func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isTimeout reports whether err says that time ran out.
func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// dialAnswers answers with what went wrong.
func dialAnswers(t *trial) {
	for _, tt := range dialCases(t) {
		t.run(tt.name, func(t *trial) {
			answers := make(chan error, 1)
			s := t.start(engine.Config{}, &engine.Listener{New: Fixed(dialOnce(tt.to, answers))})
			nc := Dial(t, s.at)
			Send(t, nc, "x")
			if err := Receive(t, answers, "Dialed"); !tt.is(err) {
				t.Errorf("Dialed(%v); want %s", err, tt.want)
			}
			ExpectEnd(t, nc)
			_ = nc.Close()
			Wait(t, s)
		})
	}
}

// dialTimeout answers when the endpoint's time is over, and not before.
func dialTimeout(t *trial) {
	to := blackHole(t)
	to.ConnectTimeout = 100 * time.Millisecond
	answers := make(chan error, 1)
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(dialOnce(to, answers))})
	nc := Dial(t, s.at)
	began := time.Now()
	Send(t, nc, "x")
	err := Receive(t, answers, "Dialed")
	if took := time.Since(began); !isTimeout(err) || took < to.ConnectTimeout {
		t.Errorf("Dialed(%v) after %v; want a time-out after %v", err, took, to.ConnectTimeout)
	}
	ExpectEnd(t, nc)
	_ = nc.Close()
	Wait(t, s)
}

// blackHole returns the endpoint of a server that never answers a SYN.
func blackHole(t *trial) *balance.Endpoint {
	t.Helper()
	ln := listen(t)
	if !fillBacklog(t, ln) {
		t.Skip("the backlog of a socket cannot be filled on this system")
	}
	to := endpointOf(ln)
	to.ConnectTimeout = time.Minute
	return to
}

// closeWhileDialling ends the dial, and nothing is reported of it.
func closeWhileDialling(t *trial) {
	silent := Upstream(t, false, Discard)
	silent.TLS, silent.ConnectTimeout = ClientTLS(), time.Minute
	for name, to := range map[string]*balance.Endpoint{
		"connect": blackHole(t), "handshake": silent, "works": Upstream(t, true, EchoServer),
	} {
		for _, how := range []engine.How{engine.Flush, engine.Half, engine.Reset, engine.Park} {
			for _, later := range []bool{false, true} {
				if how == engine.Half && name != "works" {
					continue // reading goes on, as the dial does
				}
				t.run(fmt.Sprintf("%s/how=%d/later=%v", name, how, later), func(t *trial) { closeDial(t, to, how, later) })
			}
		}
	}
}

// closeDial dials to and closes that leg: in the same call, or later.
func closeDial(t *trial, to *balance.Endpoint, how engine.How, later bool) {
	var core *Toy
	closeAll := func(d engine.Driver) {
		d.Close(1, how)
		if how == engine.Half {
			return
		}
		core.OnDialed = func(engine.Leg, bool, error, engine.Driver) { t.Error("Dialed after Close") }
		d.Close(engine.Client, engine.Flush)
	}
	core = &Toy{
		OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
			if d.Dial(to, false); later {
				d.Wake(core.after(20 * time.Millisecond))
			} else {
				closeAll(d)
			}
			return len(p)
		},
		OnTick: func(_ int64, _ engine.Cause, d engine.Driver) { closeAll(d) },
		OnEnd: func(_ engine.Leg, _ error, d engine.Driver) { // of the server, behind Half
			d.Close(1, engine.Flush)
			d.Close(engine.Client, engine.Flush)
		},
	}
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
	nc := Dial(t, s.at)
	Send(t, nc, "x")
	ExpectEnd(t, nc)
	_ = nc.Close()
	Wait(t, s)
}

// sendWhileDialling queues what is sent before the answer.
func sendWhileDialling(t *trial) {
	for _, secure := range []bool{false, true} {
		t.run(fmt.Sprintf("upstream-tls=%v", secure), func(t *trial) {
			up := Upstream(t, secure, EchoServer)
			core := &Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				if l == engine.Client {
					d.Send(d.Dial(up, false), p)
					return len(p)
				}
				d.Send(engine.Client, p)
				d.Close(engine.Client, engine.Flush)
				d.Close(l, engine.Flush)
				return len(p)
			}}
			s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
			nc := Dial(t, s.at)
			Send(t, nc, "early")
			Expect(t, nc, "early")
			ExpectEnd(t, nc)
		})
	}
}

// legNumbers gives the lowest free number, and takes it back after an error.
func legNumbers(t *trial) {
	var got []engine.Leg
	done := make(chan struct{})
	unresolved := &balance.Endpoint{}
	answers, first := 0, engine.Leg(0)
	core := &Toy{
		OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
			for range 3 {
				got = append(got, d.Dial(unresolved, true))
			}
			d.Close(2, engine.Flush)
			got = append(got, d.Dial(unresolved, false))
			return len(p)
		},
		OnDialed: func(l engine.Leg, _ bool, _ error, d engine.Driver) {
			switch answers++; answers {
			case 1:
				first = l
				got = append(got, d.Dial(unresolved, false))
			case 4:
				close(done)
			}
		},
	}
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
	Send(t, Dial(t, s.at), "x")
	Receive(t, done, "fourth answer")
	if want := []engine.Leg{1, 2, 3, 2, first}; !slices.Equal(got, want) {
		t.Errorf("legs = %v; want %v", got, want)
	}
}
