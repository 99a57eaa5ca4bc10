package e2e

import (
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stream is an answer that stays open until it is closed, or the test ends.
type stream struct {
	end  chan struct{}
	once sync.Once
}

// newStream returns a stream, and a server that has it under the name "stream".
func newStream(t *testing.T) (*stream, *rogue) {
	t.Helper()
	s := &stream{end: make(chan struct{})}
	server := newRogue(t, map[string]act{"stream": s.act})
	t.Cleanup(s.close)
	return s, server
}

func (s *stream) act(conn net.Conn, req *http.Request) bool {
	if !says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n")(conn, req) {
		return false
	}
	<-s.end
	return says("3\r\nend\r\n0\r\n\r\n")(conn, req)
}

// close ends every answer.
func (s *stream) close() { s.once.Do(func() { close(s.end) }) }

// streaming returns a daemon, and a client that reads from a stream.
func streaming(t *testing.T, m mode, top string) (*daemon, *stream, *wire) {
	t.Helper()
	s, server := newStream(t)
	d := startDaemon(t, m, server.Addr().String(), top)
	w := d.wire()
	w.say("GET /calm/stream HTTP/1.1\r\nHost: h\r\n\r\n")
	w.head()
	w.want("5\r\nbegin\r\n")
	return d, s, w
}

// SIGTERM: first readiness, then the listeners; what is open may finish, and
// the page tells of it until then.
func TestStopLetsOpenRequestsFinish(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		d, s, w := streaming(t, m, `drain_timeout = "1m"`)
		idle := d.wire()
		idle.say("GET /calm/x HTTP/1.1\r\nHost: h\r\n\r\n")
		if resp, _ := idle.response("GET"); resp.StatusCode != http.StatusOK {
			t.Fatalf("before the stop: %d", resp.StatusCode)
		}
		if got := d.get("/readyz"); got != http.StatusOK {
			t.Fatalf("/readyz = %d before the stop; want 200", got)
		}
		d.signal(syscall.SIGTERM)
		d.until("/readyz fails", func() bool { return d.get("/readyz") == http.StatusServiceUnavailable })
		d.until("the listener is closed", func() bool { return refuses(d.vip) })
		if got := d.get("/healthz"); got != http.StatusOK {
			t.Errorf("/healthz = %d while it drains; want 200", got)
		}
		idle.ends()
		_ = idle.Close()
		d.until("the stream is the only connection", func() bool { return d.status().Connections == 1 })
		if !d.status().Stopping {
			t.Error("the status does not say that casbah is stopping")
		}
		s.close()
		w.want("3\r\nend\r\n0\r\n\r\n")
		w.ends()
		_ = w.Close()
		if code := d.exits(); code != 0 {
			t.Errorf("exit code %d; want 0", code)
		}
	})
}

// What is open when the drain timeout is over is closed, and the stop is no
// failure.
func TestStopEndsWhatDoesNotFinish(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		d, _, w := streaming(t, m, `drain_timeout = "200ms"`)
		begin := time.Now()
		d.signal(syscall.SIGTERM)
		if p, err := w.in.ReadByte(); err == nil {
			t.Errorf("read %q; want the connection cut", p)
		}
		if took := time.Since(begin); took < 200*time.Millisecond {
			t.Errorf("the stream was cut after %v; want the drain timeout", took)
		}
		if code := d.exits(); code != 0 {
			t.Errorf("exit code %d; want 0", code)
		}
	})
}

// A second signal ends the process at once.
func TestSecondSignal(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		d, _, w := streaming(t, m, `drain_timeout = "1h"`)
		d.signal(syscall.SIGTERM)
		d.until("/readyz fails", func() bool { return d.get("/readyz") == http.StatusServiceUnavailable })
		// Again and again, since the process may be about to listen for the first.
		d.until("the process ends", func() bool {
			_ = d.cmd.Process.Signal(syscall.SIGTERM) // the process may be gone
			return !d.running()
		})
		if d.code == 0 {
			t.Error("exit code 0; want one that tells of a cut drain")
		}
		if _, err := w.in.ReadByte(); err == nil {
			t.Error("the stream goes on")
		}
	})
}
