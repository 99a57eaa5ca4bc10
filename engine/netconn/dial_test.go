package netconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/engine/enginetest"
)

// serveDial serves a client of which nothing is left once it has sent something
// by an engine whose dials hang, and returns how long it took.
func serveDial(t *testing.T, core engine.Core) time.Duration {
	t.Helper()
	e := New(engine.Config{})
	e.dialer = hang
	a, b := net.Pipe()
	e.ServeConn(b, &engine.Listener{New: enginetest.Fixed(core)})
	began := time.Now()
	enginetest.Send(t, a, "x")
	finish(t, e)
	took := time.Since(began)
	_ = a.Close()
	return took
}

// TestDialTimeout answers at the endpoint's time, or at bounds.ConnectTime.
func TestDialTimeout(t *testing.T) {
	for _, tt := range []struct{ set, want time.Duration }{{3 * time.Second, 3 * time.Second}, {0, bounds.ConnectTime}} {
		synctest.Test(t, func(t *testing.T) {
			var answer error
			took := serveDial(t, &enginetest.Toy{
				OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
					d.Dial(&balance.Endpoint{ConnectTimeout: tt.set}, false)
					return len(p)
				},
				OnDialed: func(_ engine.Leg, _ bool, err error, d engine.Driver) {
					answer = err
					d.Close(engine.Client, engine.Reset)
				},
			})
			if !errors.Is(answer, context.DeadlineExceeded) || took != tt.want {
				t.Errorf("Dialed(%v) after %v; want a time-out after %v", answer, took, tt.want)
			}
		})
	}
}

// TestCloseWhileDialling ends the dial at once, and nothing is reported of it.
func TestCloseWhileDialling(t *testing.T) {
	for _, how := range []engine.How{engine.Flush, engine.Reset, engine.Park} {
		synctest.Test(t, func(t *testing.T) {
			took := serveDial(t, &enginetest.Toy{
				OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
					d.Close(d.Dial(&balance.Endpoint{}, false), how)
					d.Close(engine.Client, engine.Flush)
					return len(p)
				},
				OnDialed: func(engine.Leg, bool, error, engine.Driver) { t.Error("Dialed after Close") },
			})
			if took != 0 {
				t.Errorf("the dial went on for %v; want it ended", took)
			}
		})
	}
}

// TestUnresolved answers the dial of a server that has no address.
func TestUnresolved(t *testing.T) {
	answers := make(chan error, 1)
	nc := serve(t, &engine.Listener{New: enginetest.Fixed(&enginetest.Toy{
		OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
			d.Dial(&balance.Endpoint{}, false)
			return len(p)
		},
		OnDialed: func(_ engine.Leg, _ bool, err error, _ engine.Driver) { answers <- err },
	})})
	enginetest.Send(t, nc, "x")
	if err := enginetest.Receive(t, answers, "Dialed"); !errors.Is(err, errUnresolved) {
		t.Errorf("Dialed(%v); want %v", err, errUnresolved)
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
