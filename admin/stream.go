package admin

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

	"casbah/health/page"
)

const (
	maxViewers   = 32               // of the live page at one time
	frameTimeout = 10 * time.Second // for a viewer to take a frame
)

// stream hands the newest frame of the live page to its viewers. A viewer that
// is slow misses frames; it never holds up another.
type stream struct {
	mu      sync.Mutex // guards the fields below
	frame   []byte     // the newest, in the format of the stream; not changed once published
	next    chan struct{}
	viewers int
	closed  bool
}

func (s *stream) init() { s.next = make(chan struct{}) }

// join takes a viewer's place; false if all are taken or the stream is over.
func (s *stream) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.viewers == maxViewers {
		return false
	}
	s.viewers++
	return true
}

func (s *stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.viewers--
}

func (s *stream) watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.viewers > 0
}

// wait returns a channel that is closed when there is another frame than the
// one it returns, which is nil before the first; false when the stream is over.
func (s *stream) wait() (frame []byte, next <-chan struct{}, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frame, s.next, !s.closed
}

func (s *stream) publish(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.frame = frame
	close(s.next)
	s.next = make(chan struct{})
}

// end tells every viewer to go.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.next)
	}
}

// Run samples the counters and feeds the live page until ctx ends; then it
// sends its viewers away. Call it once.
func (h *Handler) Run(ctx context.Context) {
	defer h.live.end()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		h.sample()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sample is one turn of Run. Nothing is rendered while nobody looks.
func (h *Handler) sample() {
	st := h.source.Status()
	h.past.add(&st)
	if !h.live.watched() {
		return
	}
	var html bytes.Buffer
	if err := page.RenderLive(&html, h.viewOf(&st)); err != nil {
		return // the template is at fault, and a test of page has told so
	}
	h.live.publish(event(html.Bytes()))
}

// event writes text as one server-sent event. A carriage return ends a line
// there too: text from a server must not begin one of its own.
func event(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r"), []byte(" "))
	text = bytes.ReplaceAll(text, []byte("\n"), []byte("\ndata: "))
	return append(append([]byte("data: "), text...), "\n\n"...)
}

// events streams the live part of the page to one viewer, from the frame after
// the one that came with the page.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	if !h.live.join() {
		w.Header().Set("Retry-After", "10")
		writeError(w, http.StatusServiceUnavailable, "too many viewers, or stopping")
		return
	}
	defer h.live.leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that gathers frames (nginx) makes the page take casbah for silent
	out := squeeze(w, r)
	frame := []byte("retry: 2000\n\n")
	_, next, open := h.live.wait()
	for open && send(w, out, frame) {
		select {
		case <-r.Context().Done():
			return
		case <-next:
		}
		frame, next, open = h.live.wait()
	}
}

// send writes a frame, and reports whether the viewer is still there.
func send(w http.ResponseWriter, out squeezed, frame []byte) bool {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil {
		return false
	}
	if _, err := out.Write(frame); err != nil {
		return false
	}
	return out.Flush() == nil
}
