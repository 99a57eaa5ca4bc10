package admin

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casbah/node"
)

// watch opens the event stream of a server at addr; next returns one event.
func watch(t *testing.T, addr string) (next func() string, closing func()) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil) //nolint:bodyclose // closing closes what it is read from
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("events = %s, %v", resp.Status, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	return func() string {
		var ev []string
		for lines.Scan() && lines.Text() != "" {
			ev = append(ev, lines.Text())
		}
		return strings.Join(ev, "\n")
	}, func() { c.Close() }
}

// serving runs Serve until the test ends, or stop.
func serving(t *testing.T, h *Handler, more ...net.Listener) (addr string, stop func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, h, append(more, ln)...) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(2 * stopGrace):
			return context.DeadlineExceeded
		}
	})
	t.Cleanup(func() { _ = stop() })
	return ln.Addr().String(), stop
}

func TestEventsShowWhatChanges(t *testing.T) {
	f := newFake()
	h := New(f, Options{Loopback: true})
	addr, stop := serving(t, h)
	next, closing := watch(t, addr)
	defer closing()
	if first := next(); first != "retry: 2000" {
		t.Fatalf("first event = %q; want the time to the next attempt", first)
	}
	h.sample()
	frame := next()
	if !strings.Contains(frame, "No server for owa") {
		t.Errorf("frame = %.300q; want the page's live part", frame)
	}
	for line := range strings.SplitSeq(frame, "\n") {
		if !strings.HasPrefix(line, "data: ") {
			t.Errorf("line %q is no data", line)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Serve = %v with a viewer; want it to send the viewer away", err)
	}
}

// A carriage return in a probe's error would begin a line of the stream.
func TestEventKeepsItsLines(t *testing.T) {
	if got, want := string(event([]byte("a\r\nevent: x\rdata: y"))), "data: a \ndata: event: x data: y\n\n"; got != want {
		t.Errorf("event = %q; want %q", got, want)
	}
}

func TestViewersAreBounded(t *testing.T) {
	h := New(newFake(), Options{Loopback: true})
	for range maxViewers {
		if !h.live.join() {
			t.Fatal("a place is missing")
		}
	}
	w := ask{method: "GET", path: "/api/v1/events"}.of(h)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("viewer %d = %d; want 503 with Retry-After", maxViewers+1, w.Code)
	}
	h.live.leave()
	if !h.live.join() {
		t.Error("a place that was left is not free")
	}
}

// Nothing is rendered while nobody looks; a viewer gets a frame every two seconds.
func TestRunFeedsViewersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		static := f.status()
		f.status = func() node.Status {
			st := static
			st.Now = time.Now()
			return st
		}
		h := New(f, Options{Loopback: true})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.Run(ctx)
		}()
		time.Sleep(5 * every)
		synctest.Wait()
		if frame, _, _ := h.live.wait(); frame != nil {
			t.Error("a frame was rendered for nobody")
		}
		if !h.live.join() {
			t.Fatal("no place")
		}
		for range 3 {
			before := time.Now()
			_, next, _ := h.live.wait()
			<-next
			if took := time.Since(before); took != every {
				t.Errorf("a frame after %v; want %v", took, every)
			}
		}
		_, next, _ := h.live.wait()
		cancel()
		<-next
		if _, _, open := h.live.wait(); open || h.live.join() {
			t.Error("the stream is open after Run")
		}
		<-ended
	})
}
