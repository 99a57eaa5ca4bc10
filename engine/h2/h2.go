// Package h2 serves the HTTP/2 connections of clients (RFC 9113).
//
// The framing is net/http's. Each stream becomes a connection of its own to a
// core that speaks HTTP/1.1, and that knows nothing of HTTP/2: the head of the
// stream is rendered as HTTP/1.1 for it, and what it answers is read back. So
// there is one place that routes, refuses, keeps clients on their servers and
// guards identities; and no two streams share a connection to a server that has
// carried an identity, as no two clients do.
//
// A stream copies nothing and buffers nothing. The driver's reader of its client
// leg reads the body of the request, as far as HTTP/2 lets the client send, and
// the driver's writer writes the response, as far as the client lets it. Whoever
// is slow stops the other, as with TCP.
//
// Not implemented, as net/http has it not or casbah does not want it: server push,
// priorities, HTTP/2 without TLS, CONNECT, and with it websockets over HTTP/2
// (RFC 8441), for which browsers use a connection of HTTP/1.1. Trailers of requests
// are dropped.
package h2

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"casbah/engine"
)

// The bounds of one connection. What else an attacker may do to the framing
// (CONTINUATION without end, floods of SETTINGS and PING that are not read, headers
// that grow when they are unpacked) is bounded by net/http.
const (
	maxStreams = 128       // open at once
	connWindow = 4 << 20   // octets of all request bodies that no core has taken yet: 32 streams must stand still before others do
	window     = 128 << 10 // of one of them
	frameSize  = 16 << 10  // of what clients send, the least that they may count on
	stallTime  = 2 * time.Minute
)

// Terms are what holds for the connections of a listener now.
type Terms struct {
	HeadBytes   int           // most octets of a head
	IdleTimeout time.Duration // of a connection without a stream
	Leaving     bool          // connections end with the streams that are open
}

// Server serves the connections of one listener. Its fields may not change once
// it is in use.
type Server struct {
	// Attach has a core drive nc, as netconn.Engine does.
	Attach func(nc net.Conn, c engine.Conn, ln *engine.Listener) (hangUp func(error), ok bool)
	// Cores makes the cores of the streams.
	Cores *engine.Listener
	Terms func() Terms
	Fault func(value any) // is told of a panic, which ends its stream; nil: nobody is

	OnOpen  func() // counts a connection; nil: nobody counts
	OnClose func() // counts its end, once per OnOpen
	OnCalm  func() // counts one that was closed because its client took back request after request
}

// Session is an engine.NewSession.
func (s *Server) Session(nc *tls.Conn, c engine.Conn) engine.Session { return newSession(s, nc, c) }

func call(f func()) {
	if f != nil {
		f()
	}
}

// quiet takes what net/http logs: mishaps of clients, which are counted.
var quiet = log.New(io.Discard, "", 0) //nolint:forbidigo // else net/http would log

// errArmed is what none answers.
var errArmed = errors.New("h2: no connection comes this way")

// none is a listener for http.Server.Serve, which turns HTTP/2 on before it
// accepts, and for nothing else.
type none struct{}

func (none) Accept() (net.Conn, error) { return nil, errArmed }
func (none) Close() error              { return nil }
func (none) Addr() net.Addr            { return &net.TCPAddr{} }

// newHTTP returns a server for one connection of HTTP/2.
func newHTTP(t *Terms) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	h := &http.Server{ //nolint:gosec // G112: it speaks no HTTP/1.1, which ReadHeaderTimeout is for
		Protocols:      &protocols,
		ErrorLog:       quiet,
		IdleTimeout:    t.IdleTimeout,
		MaxHeaderBytes: 2 * t.HeadBytes, // of fields, each with the 32 octets that RFC 9113 adds: the core refuses what is above HeadBytes, and is asked first
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReadFrameSize:              frameSize,
			MaxReceiveBufferPerConnection: connWindow,
			MaxReceiveBufferPerStream:     window,
			WriteByteTimeout:              stallTime,
		},
	}
	_ = h.Serve(none{})
	return h
}
