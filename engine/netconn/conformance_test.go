package netconn

import (
	"context"
	"net"
	"testing"

	"casbah/balance"
	"casbah/engine"
	"casbah/engine/enginetest"
)

// TestConformance tests what every driver does. The other tests of this package
// are of this one alone.
func TestConformance(t *testing.T) {
	enginetest.Run(t, func(_ testing.TB, cfg engine.Config) engine.Engine { return New(cfg) })
}

// hang is a dial that never comes through.
func hang(ctx context.Context, _ *balance.Endpoint) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// serve serves ln until the end of tb, and returns a client of it.
func serve(tb testing.TB, ln *engine.Listener) *net.TCPConn {
	tb.Helper()
	s := enginetest.Serve(tb, New(engine.Config{}), ln)
	return enginetest.Dial(tb, s.Addr())
}

// finish waits until e has no connection, in the time of a synctest bubble.
func finish(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
