package h2

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// stream is the client leg of a core: reads yield the request as HTTP/1.1, and
// what is written is a response of HTTP/1.1, which goes to the client.
type stream struct {
	session *session
	w       http.ResponseWriter // not to be touched once over is closed
	control *http.ResponseController
	request request // the reader's own
	answer  answer  // the writer's own

	mu       sync.Mutex    // guards the fields below; held for a look, and to tell net/http that writes are to end
	writing  bool          // the writer is at it, so that over stays open
	closed   bool          // by the driver
	patience time.Duration // for each piece of what the driver flushes; 0: no matter how long
	whole    bool          // the response is complete
	over     chan struct{} // closed when w is not needed any more
	ended    bool          // over is closed
}

func newStream(s *session, w http.ResponseWriter, r *http.Request) *stream {
	st := &stream{session: s, w: w, control: http.NewResponseController(w), over: make(chan struct{})}
	st.request.begin(r)
	st.answer = answer{w: w, bodiless: r.Method == http.MethodHead}
	return st
}

// Await returns when a read has something to say. Behind a request that is the end
// of its response: a phone waits an hour for that, and its leg holds no buffer.
func (st *stream) Await() {
	if st.request.over() {
		<-st.over
	}
}

// Read implements net.Conn.
func (st *stream) Read(p []byte) (int, error) {
	n, err := st.request.read(p)
	if n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	<-st.over // nothing follows a request
	if st.complete() {
		return 0, io.EOF
	}
	return 0, errGone
}

// Write implements net.Conn.
func (st *stream) Write(p []byte) (int, error) {
	if !st.begin() {
		return 0, net.ErrClosed
	}
	whole, err := st.respond(p)
	if !st.end(whole, err) {
		return 0, cause(err)
	}
	return len(p), nil
}

// respond writes what is there of the response, in pieces of a frame.
func (st *stream) respond(p []byte) (whole bool, err error) {
	defer func() {
		if value := recover(); value != nil {
			st.session.fault(value)
			whole, err = false, errAnswer
		}
	}()
	for len(p) > 0 && err == nil {
		n := min(len(p), frameSize)
		whole, err = st.answer.take(p[:n])
		p = p[n:]
		st.goOn()
	}
	if err == nil && !whole { // else it leaves with the end of the stream
		err = st.control.Flush()
	}
	return whole, err
}

// goOn gives a client that has taken a piece, however slowly, as much time for the
// next one: many streams share its line.
func (st *stream) goOn() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.patience > 0 && !st.closed {
		_ = st.control.SetWriteDeadline(time.Now().Add(st.patience))
	}
}

// cause is err, or that of a write to a stream that was closed meanwhile.
func cause(err error) error {
	if err == nil {
		return net.ErrClosed
	}
	return err
}

// begin reports whether the response can be gone on with.
func (st *stream) begin() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.writing = !st.ended && !st.closed
	return st.writing
}

// end is the end of a write, and reports whether it went well.
func (st *stream) end(whole bool, err error) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.writing = false
	st.whole = whole && err == nil
	if st.whole || st.closed || err != nil {
		st.finish()
	}
	return err == nil && (st.whole || !st.closed)
}

// finish lets the handler return. The mutex is held.
func (st *stream) finish() {
	if st.ended {
		return
	}
	st.ended = true
	close(st.over)
	st.request.stop()
}

// complete reports whether the client has all of the response.
func (st *stream) complete() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.whole
}

// CloseWrite says that the response has ended, where its length did not say it.
func (st *stream) CloseWrite() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.ended {
		st.whole = st.answer.endsHere()
		st.finish()
	}
	return nil
}

// Close implements net.Conn. It waits for nobody.
func (st *stream) Close() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return net.ErrClosed
	}
	st.closed = true
	switch {
	case st.ended:
	case st.writing:
		_ = st.control.SetWriteDeadline(time.Unix(1, 0)) // the writer ends it
	default:
		st.finish()
	}
	return nil
}

// SetWriteDeadline implements net.Conn: the driver sets one for what is queued
// when it closes a leg.
func (st *stream) SetWriteDeadline(t time.Time) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ended {
		return net.ErrClosed
	}
	st.patience = 0
	if !t.IsZero() {
		st.patience = time.Until(t)
	}
	return st.control.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn. The driver sets one for a leg that cannot
// be written to, of which reads end by themselves here.
func (st *stream) SetReadDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (st *stream) SetDeadline(t time.Time) error { return st.SetWriteDeadline(t) }

// LocalAddr implements net.Conn.
func (st *stream) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(st.session.info.Local) }

// RemoteAddr implements net.Conn.
func (st *stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(st.session.info.Remote) }
