package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casbah/node"
)

// ownProfiles are protocols of the site's own, without the floors that those of
// Exchange have: brisk is for what waits for a timer, calm for all that a slow
// machine must not end.
const ownProfiles = `
[profile.brisk]
protocol = "http"
paths = ["/brisk"]
methods = ["GET", "HEAD", "POST"]
header_timeout = "400ms"
response_timeout = "400ms"
idle_timeout = "600ms"
chain = [{ by = "source_ip" }]
[profile.brisk.probe]
` + noProbe + `
[profile.calm]
protocol = "http"
paths = ["/calm"]
methods = ["GET", "HEAD", "POST"]
header_timeout = "400ms"
chain = [{ by = "source_ip" }]
[profile.calm.probe]
` + noProbe + `
[profile.owa]
header_timeout = "400ms"
[profile.owa.probe]
` + noProbe

// siege is casbah between rogues and hostile clients, with an honest client
// beside them that must not notice.
type siege struct {
	*rig
	server *rogue
	served atomic.Int64 // answers that the honest client got
}

// besiege runs f in every mode.
func besiege(t *testing.T, acts map[string]act, f func(t *testing.T, s *siege)) {
	t.Helper()
	modes(t, func(t *testing.T, m mode) { lay(t, m, acts, f) })
}

// lay runs f in a siege. The honest client works from begin to end, and nothing
// may be left when the hostile ones have gone.
func lay(t *testing.T, m mode, acts map[string]act, f func(t *testing.T, s *siege)) {
	t.Helper()
	server := newRogue(t, acts)
	s := &siege{server: server}
	s.rig = newRig(t, setup{mode: m, servers: []string{server.Addr().String()}, profiles: `"brisk", "calm", "owa"`, extra: ownProfiles})
	ctx, leave := context.WithCancel(t.Context())
	var honest sync.WaitGroup
	honest.Go(func() { s.neighbour(ctx) })
	t.Run("attack", func(t *testing.T) { f(t, s) })
	before := s.served.Load()
	s.until("the honest client is served again", func() bool { return s.served.Load() > before })
	leave()
	honest.Wait()
	s.until("no connection is open", func() bool { return s.node.Status().Connections == 0 })
}

// neighbour asks one thing after the other, each on a connection that it keeps
// for a few requests, until ctx ends.
func (s *siege) neighbour(ctx context.Context) {
	c := s.client("127.0.0.77")
	defer c.CloseIdleConnections()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		a, err := c.try("POST", "/calm/neighbour", "hello") //nolint:contextcheck // ctx ends the loop, not a request
		if err != nil || a.status != http.StatusOK || a.body != "ok" {
			s.t.Errorf("the honest client got %d %q, %v", a.status, a.body, err)
			return
		}
		if s.served.Add(1)%20 == 0 {
			c.CloseIdleConnections()
		}
	}
}

// vip returns the counters of the VIP that the siege is about.
func (s *siege) vip() node.VIPStatus { return s.vipStatus(s.mode.vip) }

// counts fails unless f makes the VIP refuse once for that reason, and for no
// other.
func (s *siege) counts(t *testing.T, cause string, f func()) {
	t.Helper()
	before := s.vip().Refused
	f()
	after := s.vip().Refused
	for c, n := range after {
		want := before[c]
		if c == cause {
			want++
		}
		if n != want {
			t.Errorf("refused for %s: %d; want %d", c, n, want)
		}
	}
}

// refused sends text and fails unless the answer has that status, names nothing
// behind casbah, and ends the connection.
func (s *siege) refused(t *testing.T, text string, status int) {
	t.Helper()
	w := s.wire(t, "127.0.0.66")
	w.say(text)
	resp, body := w.response("GET")
	if resp.StatusCode != status || !resp.Close {
		t.Errorf("status %d, close %v; want %d and the end", resp.StatusCode, resp.Close, status)
	}
	s.discreet(t, resp, body)
	w.ends()
}

// discreet fails if an answer of casbah's own names what is behind it.
func (s *siege) discreet(t *testing.T, resp *http.Response, body string) {
	t.Helper()
	addr := s.server.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	for _, word := range []string{"cas1", addr, ":" + port, "127.0.0.1"} {
		if strings.Contains(fmt.Sprint(resp.Header)+body, word) {
			t.Errorf("the answer names %s: %v %q", word, resp.Header, body)
		}
	}
}
