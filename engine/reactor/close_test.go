//go:build linux

package reactor

import (
	"crypto/tls"
	"net"
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
