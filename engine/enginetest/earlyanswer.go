package enginetest

import (
	"fmt"
	"io"
	"net"

	"casbah/balance"
	"casbah/engine"
)

// earlyAnswer delivers what a server sent before it reset the connection on
// which the client was still sending.
func earlyAnswer(t *trial) {
	for _, secure := range []bool{false, true} {
		for _, moves := range []bool{false, true} {
			t.run(fmt.Sprintf("upstream-tls=%v/moves=%v", secure, moves), func(t *trial) {
				up := Upstream(t, secure, func(nc net.Conn) {
					_, _ = io.ReadFull(nc, make([]byte, 1))
					_, _ = io.WriteString(nc, "413")
					delivered(nc) // closing drops what has not arrived
					resetConn(nc)
				})
				s := t.start(engine.Config{}, &engine.Listener{New: Fixed(newUploader(up, moves))})
				nc := Dial(t, s.at)
				over := make(chan struct{})
				go func() {
					_, _ = io.Copy(nc, zeros{})
					close(over)
				}()
				Expect(t, nc, "413")
				_ = nc.Close()
				Receive(t, over, "end of the client's write")
				Wait(t, s)
			})
		}
	}
}

// newUploader returns a core that passes on what its client sends, and the
// server's answer up to its end, whatever that is.
func newUploader(to *balance.Endpoint, moves bool) *Toy {
	dialled := false
	core := &Toy{
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			switch {
			case !dialled:
				dialled = true
				d.Hold(engine.Client, true)
				d.Dial(to, false)
				return 0
			case l == engine.Client && d.Send(1, p):
				d.Hold(engine.Client, true)
			case l == 1:
				d.Send(engine.Client, p)
			}
			return len(p)
		},
		OnDrained: func(_ engine.Leg, d engine.Driver) { d.Hold(engine.Client, false) },
		OnEnd: func(l engine.Leg, _ error, d engine.Driver) {
			d.Close(1, engine.Flush)
			d.Close(engine.Client, engine.Flush)
		},
	}
	core.OnDialed = func(l engine.Leg, _ bool, _ error, d engine.Driver) {
		d.Hold(engine.Client, false)
		if moves {
			d.Move(engine.Client, l, -1)
		}
	}
	return core
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
