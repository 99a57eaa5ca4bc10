package enginetest

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"casbah/balance"
)

// listen returns a listener on loopback that is closed at the end of tb.
func listen(tb testing.TB) *net.TCPListener {
	tb.Helper()
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(loopback))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ln.Close() })
	return ln
}

// endpointOf returns an endpoint at the address of ln.
func endpointOf(ln net.Listener) *balance.Endpoint {
	e := &balance.Endpoint{Name: "test", ConnectTimeout: Patience}
	e.SetAddr(netip.MustParseAddrPort(ln.Addr().String()))
	return e
}

// Upstream returns the endpoint of a server on loopback, which speaks TLS if
// secure. handle has each connection in a goroutine; it is closed when handle
// returns, and at the end of tb.
func Upstream(tb testing.TB, secure bool, handle func(net.Conn)) *balance.Endpoint {
	tb.Helper()
	ln := listen(tb)
	to := endpointOf(ln)
	if secure {
		to.TLS = ClientTLS()
	}
	s := &server{handle: handle}
	tb.Cleanup(func() {
		_ = ln.Close()
		s.closeAll()
		s.running.Wait()
	})
	s.running.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.serve(nc, secure)
		}
	})
	return to
}

// server keeps the connections of an upstream, so that it can end.
type server struct {
	handle  func(net.Conn)
	running sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	over  bool
	conns map[net.Conn]struct{}
}

// serve handles nc in a goroutine.
func (s *server) serve(nc net.Conn, secure bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		_ = nc.Close()
		return
	}
	if s.conns == nil {
		s.conns = make(map[net.Conn]struct{})
	}
	s.conns[nc] = struct{}{}
	s.running.Go(func() {
		peer := nc
		if secure {
			peer = tls.Server(nc, ServerTLS())
		}
		s.handle(peer)
		_ = peer.Close()
		s.mu.Lock()
		delete(s.conns, nc)
		s.mu.Unlock()
	})
}

// closeAll ends every connection.
func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for nc := range s.conns {
		_ = nc.Close()
	}
}

// EchoServer sends back what it gets, and FIN after that.
func EchoServer(nc net.Conn) {
	_, _ = io.Copy(nc, nc)
	closeWrite(nc)
}

// Discard is a server that reads to the end, and says nothing.
func Discard(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }

// closeWrite sends FIN.
func closeWrite(nc net.Conn) {
	if w, ok := nc.(client); ok {
		_ = w.CloseWrite()
	}
}
