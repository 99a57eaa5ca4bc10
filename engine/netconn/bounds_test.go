package netconn

import (
	"testing"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// TestBytesBounded leaves everything unused: the reader stops at its limit.
func TestBytesBounded(t *testing.T) {
	most := make(chan int, 1)
	nc := serve(t, &engine.Listener{New: enginetest.Fixed(&enginetest.Toy{
		OnBytes: func(_ engine.Leg, p []byte, _ engine.Driver) int {
			if len(p) >= huge {
				most <- len(p)
			}
			return 0
		},
	})})
	go func() { _, _ = nc.Write(make([]byte, 64<<20)) }()
	if got := enginetest.Receive(t, most, "full buffer"); got != huge {
		t.Errorf("%d octets were offered; want at most %d", got, huge)
	}
}
