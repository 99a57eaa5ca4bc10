//go:build linux

package reactor

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/engine/enginetest"
)

// A leg that is closed by Done is gone once its last octets are: its peer has
// said that it sends nothing more. Whatever may still be unread, of the peer or
// of TLS, makes it linger as Flush does: closing would reset the connection.
func TestDoneDoesNotLinger(t *testing.T) {
	tests := []struct {
		name    string
		how     engine.How
		secure  bool
		used    int // of the two octets that come
		lingers bool
	}{
		{"done", engine.Done, false, 2, false},
		{"done-unread", engine.Done, false, 1, true},
		{"done-tls", engine.Done, true, 2, true},
		{"flush", engine.Flush, false, 2, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ln := &engine.Listener{New: func(engine.Conn) engine.Core {
				toy := new(enginetest.Toy)
				toy.OnBytes = func(l engine.Leg, p []byte, d engine.Driver) int {
					if len(p) < 2 {
						return 0
					}
					d.Send(l, []byte("bye"))
					d.Wake(1) // closes in another call: now nothing is known to be left
					return tt.used
				}
				toy.OnTick = func(_ int64, why engine.Cause, d engine.Driver) {
					if why == engine.Deadline {
						d.Close(engine.Client, tt.how)
					}
				}
				return toy
			}}
			if tt.secure {
				ln.TLS = enginetest.ServerTLS()
			}
			r := newRig(t, ln)
			nc := net.Conn(enginetest.Dial(t, r.at))
			if tt.secure {
				nc = tls.Client(nc, enginetest.ClientTLS())
			}
			enginetest.Send(t, nc, "xy")
			enginetest.Expect(t, nc, "bye")
			r.pass(2 * slot) // the tick
			enginetest.ExpectEnd(t, nc)
			if tt.lingers {
				r.wantLegs(1, 0) // the clock stands
				r.pass(bounds.LingerTime + 2*slot)
			}
			enginetest.Wait(t, r)
			r.wantLegs(0, 0)
		})
	}
}

// What is queued when a leg is closed leaves as long as its peer takes some of it in
// bounds.FlushTime. A peer that does not is reset: a FIN would say that this was all.
func TestFlushTimeIsForProgress(t *testing.T) {
	const part, parts = 8 << 20, 4 // more than the buffers of the system take
	for _, reads := range []bool{true, false} {
		t.Run(map[bool]string{true: "slow", false: "stuck"}[reads], func(t *testing.T) {
			r := newRig(t, &engine.Listener{New: enginetest.OneShot(string(make([]byte, parts*part)), engine.Flush)})
			nc := enginetest.Dial(t, r.at)
			_ = nc.SetReadBuffer(64 << 10)
			enginetest.Send(t, nc, "x")
			enginetest.Expect(t, nc, "\x00")
			got := int64(1)
			for range parts - 1 {
				r.pass(bounds.FlushTime - slot)
				if !reads {
					continue
				}
				n, err := io.CopyN(io.Discard, nc, part)
				if got += n; err != nil {
					t.Fatalf("read %d octets, %v; want %d", got, err, parts*part)
				}
			}
			if !reads {
				enginetest.Wait(t, r)
			}
			n, err := io.Copy(io.Discard, nc)
			if got += n; reads && (err != nil || got != parts*part) || !reads && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read %d octets, %v; want all %d if they were taken, else a reset", got, err, parts*part)
			}
		})
	}
}
