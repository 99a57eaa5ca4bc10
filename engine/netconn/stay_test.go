package netconn

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casbah/engine"
)

// An end that comes together with the last octets is noticed, though the poller
// announces both at once and the reader does not ask a second time.
func TestEndBehindOctets(t *testing.T) {
	for _, reset := range []bool{false, true} {
		name := "fin"
		if reset {
			name = "reset"
		}
		t.Run(name, func(t *testing.T) {
			var octets, ends atomic.Int64
			ln := &engine.Listener{Net: listen(t), New: func(engine.Conn) engine.Core {
				return &toy{
					bytes: func(_ engine.Leg, p []byte, _ engine.Driver) int {
						octets.Add(int64(len(p)))
						return len(p)
					},
					end: func(l engine.Leg, err error, d engine.Driver) {
						ends.Add(1)
						if err == nil {
							d.Close(l, engine.Flush)
						}
					},
				}
			}}
			e := start(t, engine.Config{}, ln)
			const clients = 300
			var all sync.WaitGroup
			for range clients {
				all.Go(func() {
					c := dial(t, ln)
					defer c.Close()
					send(t, c, "x")
					if reset {
						_ = c.SetLinger(0)
					}
				})
			}
			all.Wait()
			for end := time.Now().Add(patience); ends.Load() != clients; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d ends of %d connections were told", ends.Load(), clients)
				}
			}
			wentTo(t, e, 0)
			if got := octets.Load(); !reset && got != clients {
				t.Errorf("%d octets of %d came", got, clients)
			}
		})
	}
}

// Many long Moves at once, some cut off in the middle, bring the right octets
// and leave no descriptor behind.
func TestLongMovesAreWhole(t *testing.T) {
	body := make([]byte, 3<<20)
	for i := range body {
		body[i] = byte(rand.Uint32())
	}
	want := sha256.Sum256(body)
	e2 := upstream(t, false, func(nc net.Conn) {
		var ask [1]byte
		if _, err := io.ReadFull(nc, ask[:]); err == nil {
			_, _ = nc.Write(body)
		}
		_ = nc.Close()
	})
	ln := &engine.Listener{Net: listen(t), New: newRelay(e2, true)}
	e := start(t, engine.Config{}, ln)
	round := func() {
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				c := dial(t, ln)
				defer c.Close()
				send(t, c, "?")
				if i%3 == 0 { // gone in the middle
					_, _ = io.CopyN(io.Discard, c, int64(1+i*100_000))
					return
				}
				var got bytes.Buffer
				if _, err := io.Copy(&got, c); err != nil || sha256.Sum256(got.Bytes()) != want {
					t.Errorf("%d octets came, %v; want %d, all right", got.Len(), err, len(body))
				}
			})
		}
		all.Wait()
		wentTo(t, e, 0)
	}
	round() // fills the pools
	before := descriptors(t)
	for range 3 {
		round()
	}
	if after := descriptors(t); after > before+24 { // pipes in the pool
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

// descriptors returns how many descriptors the process has open; 0 where it
// cannot tell.
func descriptors(tb testing.TB) int {
	tb.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}
