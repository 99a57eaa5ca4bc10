package netconn

import (
	"reflect"
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

// TestSourcesAreForgotten leaves nothing behind of an address without
// connections.
func TestSourcesAreForgotten(t *testing.T) {
	e := New(engine.Config{MaxPerSource: 1})
	s := enginetest.Serve(t, e, &engine.Listener{New: enginetest.Echo})
	open := func() int { return reflect.ValueOf(&e.sources).Elem().FieldByName("open").Len() }
	nc := enginetest.Dial(t, s.Addr())
	enginetest.Send(t, nc, "x")
	enginetest.Expect(t, nc, "x")
	if got := open(); got != 1 {
		t.Errorf("%d sources are known with one connection; want 1", got)
	}
	_ = nc.Close()
	enginetest.Wait(t, e)
	if got := open(); got != 0 {
		t.Errorf("%d sources are known without a connection; want 0", got)
	}
}
