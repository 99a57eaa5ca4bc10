//go:build linux

package reactor

import (
	"errors"
	"io"
	"syscall"
	"testing"

	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/engine/enginetest"
)

// A client that was told to begin TLS and does not is closed in time, not before
// it, and nothing of it is left.
func TestStartTLSInTime(t *testing.T) {
	for _, sent := range []string{"", "\x16\x03\x01"} {
		answers := make(chan error, 1)
		r := newRig(t, &engine.Listener{StartTLS: enginetest.ServerTLS(), New: enginetest.Fixed(&enginetest.Toy{
			OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				d.Send(l, []byte("go"))
				d.StartTLS(l, true)
				return len(p)
			},
			OnSecured: func(_ engine.Leg, _ int, err error, _ engine.Driver) { answers <- err },
		})})
		nc := enginetest.Dial(t, r.at)
		enginetest.Send(t, nc, "STARTTLS\r\n")
		enginetest.Expect(t, nc, "go")
		if sent != "" {
			enginetest.Send(t, nc, sent)
		}
		r.pass(bounds.HandshakeTime - slot)
		if len(answers) > 0 || r.Open() != 1 {
			t.Fatalf("%d answers, %d open before %v; want 0, 1", len(answers), r.Open(), bounds.HandshakeTime)
		}
		r.pass(2 * slot)
		if err := enginetest.Receive(t, answers, "Secured"); !errors.Is(err, engine.ErrTLSTime) {
			t.Errorf("Secured(%v); want %v", err, engine.ErrTLSTime)
		}
		if _, err := io.Copy(io.Discard, nc); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %v; want the end", err)
		}
		_ = nc.Close()
		enginetest.Wait(t, r)
		r.wantLegs(0, 0)
	}
}
