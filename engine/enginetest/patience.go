package enginetest

import (
	"context"
	"io"
	"testing"
	"time"

	"casbah/engine"
)

// Patience is for what must happen at once on a machine that is not stuck.
const Patience = 10 * time.Second

// Send writes s, or fails tb.
func Send(tb testing.TB, w io.Writer, s string) {
	tb.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		tb.Fatalf("Write(%.20q): %v", s, err)
	}
}

// Expect reads want, or fails tb.
func Expect(tb testing.TB, r io.Reader, want string) {
	tb.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if err != nil {
		tb.Fatalf("read %d octets %.60q, %v; want %d octets %.60q", n, got[:n], err, len(want), want)
	}
	for i := range got {
		if got[i] != want[i] {
			tb.Fatalf("read %.60q at octet %d of %d; want %.60q", got[i:], i, n, want[i:])
		}
	}
}

// ExpectEnd reads to the end and wants nothing but that.
func ExpectEnd(tb testing.TB, r io.Reader) {
	tb.Helper()
	if p, err := io.ReadAll(r); len(p) > 0 || err != nil {
		tb.Fatalf("read %d octets %.60q, %v; want EOF", len(p), p, err)
	}
}

// Receive waits for a value.
func Receive[T any](tb testing.TB, ch <-chan T, what string) T {
	tb.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case v := <-ch:
		return v
	case <-timer.C:
		tb.Fatalf("no %s after %v", what, Patience)
		panic("unreachable")
	}
}

// Becomes waits until a number is as wanted, which it is just after an event
// that the caller has waited for.
func Becomes(tb testing.TB, what string, number func() int, want int) {
	tb.Helper()
	last := number()
	for end := time.Now().Add(Patience); last != want; last = number() {
		if time.Now().After(end) {
			tb.Fatalf("%s = %d after %v; want %d", what, last, Patience, want)
		}
		time.Sleep(time.Millisecond)
	}
}

// Wait waits until e has no connection.
func Wait(tb testing.TB, e engine.Engine) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := e.Wait(ctx); err != nil {
		tb.Errorf("Wait() = %v with %d connections open; want none", err, e.Open())
	}
}
