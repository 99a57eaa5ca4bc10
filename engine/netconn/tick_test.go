package netconn

import (
	"net"
	"testing"
	"testing/synctest"

	"casbah/engine"
	"casbah/engine/enginetest"
)

// Who tells all connections of something waits for no peer that does not read, and
// tells no connection that is over.
func TestTellingAllWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		core := &enginetest.Toy{OnTick: func(_ int64, _ engine.Cause, d engine.Driver) {
			told++
			d.Send(engine.Client, []byte("w"))
		}}
		a, b := net.Pipe()
		e := New(engine.Config{})
		e.ServeConn(b, &engine.Listener{New: enginetest.Fixed(core)})
		synctest.Wait()
		c := e.all()[0]
		e.Review()
		enginetest.Expect(t, a, "w")
		_ = a.Close()
		finish(t, e)
		c.tick(engine.Woken) // by who has found it open before
		if told != 1 {
			t.Errorf("told %d times; want once", told)
		}
	})
}
