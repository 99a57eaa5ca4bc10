package e2e

import (
	"context"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// openFiles returns how many descriptors this process has.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(files)
}

// After hundreds of streams, done, taken back and cut off, nothing of them is left:
// no descriptor, no goroutine, no open request.
func TestHTTP2LeavesNothingOpen(t *testing.T) {
	for _, engine := range drivers {
		t.Run(engine, func(t *testing.T) { // in turn: all descriptors of the process are counted
			r := newRig(t, setup{mode: mode{engine: engine, vip: "tls"}, profiles: http2Profiles, https: "http2 = true\n", extra: unprobed("owa", "ecp", "eas")})
			c := r.http2("127.0.0.2")
			c.fetch("GET", "/owa/healthcheck.htm")
			c.CloseIdleConnections()
			r.until("the first connection has ended", func() bool { return r.node.Status().Connections == 0 })
			files, routines := openFiles(t), runtime.NumGoroutine()
			for round := range 5 {
				var work sync.WaitGroup
				for i := range 60 {
					work.Go(func() { leave(r, c, i) })
				}
				work.Wait()
				if round == 4 {
					break
				}
				for _, cas := range r.array.Servers() { // with what is open on them
					cas.Stop()
					if err := cas.Start(); err != nil {
						t.Fatal(err)
					}
				}
			}
			r.until("all connections have ended", func() bool {
				c.CloseIdleConnections() // of one that has just taken a request back it is not idle yet
				return r.node.Status().Connections == 0
			})
			r.until("all descriptors are closed", func() bool { return openFiles(t) <= files+3 }) // of the servers' own, which have been started anew
			r.until("all goroutines have ended", func() bool { return runtime.NumGoroutine() <= routines+10 })
			for _, pool := range r.node.Status().Pools {
				for _, s := range pool.Servers {
					if s.Active != 0 {
						t.Errorf("%s has %d requests open", s.Name, s.Active)
					}
				}
			}
		})
	}
}

// leave sends a request of one kind or another.
func leave(r *rig, c *client, i int) {
	switch i % 4 {
	case 0:
		_, _, _ = c.tryFetch("GET", "/owa/healthcheck.htm", nil)
	case 1:
		_, _, _ = c.tryFetch("POST", "/owa/auth/owaauth.dll", strings.NewReader(strings.Repeat("x", 100_000)))
	default:
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Duration(i)*time.Millisecond)
		defer cancel()
		body := stuck{ctx}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/owa/ev.owa", body)
		if err != nil {
			return
		}
		if resp, err := c.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}
}
