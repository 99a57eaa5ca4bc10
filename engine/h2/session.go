package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"casbah/engine"
)

// errGone is what a core is told of a client that has taken its request back, or
// is gone with all of them.
var errGone = errors.New("h2: the client has closed the stream")

// session is one connection.
type session struct {
	server  *Server
	nc      *tls.Conn
	info    engine.Conn // of each stream
	http    *http.Server
	leaving atomic.Bool
	calm    calm
}

func newSession(server *Server, nc *tls.Conn, info engine.Conn) *session {
	s := &session{server: server, nc: nc, info: info}
	s.info.Stream = true
	terms := server.Terms()
	s.http = newHTTP(&terms)
	// The first streams come after this. A Drain before it has found no connection.
	s.http.ConnState = func(_ net.Conn, now http.ConnState) {
		if now == http.StateIdle && s.leaving.Load() {
			s.sayGoodbye()
		}
	}
	return s
}

// Serve implements engine.Session.
func (s *session) Serve() {
	call(s.server.OnOpen)
	defer call(s.server.OnClose)
	defer func() { _ = s.nc.Close() }()
	if serve := s.http.TLSNextProto["h2"]; serve != nil { // else GODEBUG has turned it off
		serve(s.http, s.nc, s)
	}
}

// Drain implements engine.Session.
func (s *session) Drain() {
	s.leaving.Store(true)
	s.sayGoodbye()
}

// sayGoodbye has net/http send GOAWAY. It has no listener and no connection that
// Shutdown would wait for.
func (s *session) sayGoodbye() { _ = s.http.Shutdown(context.Background()) }

// ServeHTTP is the goroutine of a stream. It implements http.Handler.
func (s *session) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if value := recover(); value != nil {
			if value != http.ErrAbortHandler { //nolint:errorlint // any value
				s.fault(value)
			}
			panic(http.ErrAbortHandler) // net/http resets the stream
		}
	}()
	terms := s.server.Terms()
	if s.leaving.Load() || terms.Leaving {
		w.Header().Set("Connection", "close") // has net/http send GOAWAY
	}
	st := newStream(s, w, r)
	hangUp, ok := s.server.Attach(st, s.info, s.server.Cores)
	if !ok {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	select {
	case <-st.over:
	case <-r.Context().Done():
		hangUp(errGone)
		<-st.over
		s.takenBack()
	}
	if !st.complete() {
		panic(http.ErrAbortHandler)
	}
}

// fault tells of a panic.
func (s *session) fault(value any) {
	if s.server.Fault != nil {
		s.server.Fault(value)
	}
}

// takenBack takes note of a stream that its client has reset, and closes the
// connection of one that does nothing else (CVE-2023-44487).
func (s *session) takenBack() {
	if s.calm.spend(time.Now()) {
		return
	}
	if s.leaving.CompareAndSwap(false, true) {
		call(s.server.OnCalm)
	}
	_ = s.nc.NetConn().Close()
}
