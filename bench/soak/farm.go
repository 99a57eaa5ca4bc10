package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// farm is the servers behind casbah.
type farm struct {
	ledger    *ledger
	listeners []net.Listener
	work      sync.WaitGroup
	begun     sync.Map // request → true, for POSTs that a server has begun to read

	mu    sync.Mutex // guards the fields below
	conns map[*serverConn]bool
	busy  int // requests that are being answered
}

// newFarm starts n servers that speak HTTP, and one that sends back all that it
// is sent.
func newFarm(ctx context.Context, l *ledger, n int) (*farm, error) {
	f := &farm{ledger: l, conns: make(map[*serverConn]bool)}
	for i := range n + 1 {
		ln, err := listen(ctx)
		if err != nil {
			f.close()
			return nil, err
		}
		f.listeners = append(f.listeners, ln)
		serve := f.serve
		if i == n {
			serve = f.echo
		}
		f.work.Go(func() { f.accept(ln, serve) })
	}
	return f, nil
}

// address returns where server i listens.
func (f *farm) address(i int) string { return f.listeners[i].Addr().String() }

// close ends all servers.
func (f *farm) close() {
	for _, ln := range f.listeners {
		_ = ln.Close()
	}
	f.mu.Lock()
	for c := range f.conns {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.work.Wait()
}

func (f *farm) accept(ln net.Listener, serve func(*serverConn)) {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			f.ledger.breach("servers: %v", err)
			return
		}
		c := &serverConn{Conn: conn, farm: f, in: bufio.NewReaderSize(conn, 16<<10)}
		f.mu.Lock()
		f.conns[c] = true
		f.mu.Unlock()
		f.work.Go(func() {
			serve(c)
			_ = c.Close()
			f.mu.Lock()
			delete(f.conns, c)
			f.mu.Unlock()
		})
	}
}

// serve answers requests until the connection ends.
func (f *farm) serve(c *serverConn) {
	for {
		req, err := http.ReadRequest(c.in)
		if err != nil {
			return
		}
		if req.URL.Path == probePath {
			_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			if err != nil {
				return
			}
			continue
		}
		p, err := parsePlan(req)
		if err != nil {
			f.ledger.breach("a server was sent another request than a client sent: %v", err)
			return
		}
		f.enter(c, 1)
		keep := c.answer(p, req)
		f.enter(c, -1)
		if !keep {
			return
		}
	}
}

func (f *farm) echo(c *serverConn) {
	_, _ = io.Copy(c.Conn, c.Conn) // its end, in whatever way, is the client's
	_ = c.Conn.(*net.TCPConn).CloseWrite()
}

// enter counts a request that begins (1) or ends (-1) on c.
func (f *farm) enter(c *serverConn, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy += n
	c.busy = n > 0
	c.served = true
}

// hangUp closes the connections on which requests were served and none is
// open, as a server may at any time. It reports whether all are closed.
func (f *farm) hangUp() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest := 0
	for c := range f.conns {
		switch {
		case c.busy:
			rest++
		case c.served:
			_ = c.Close()
			rest++
		}
	}
	return rest == 0 && f.busy == 0
}

// owns reports whether c may carry a request of that client: the profile own
// has no reuse, so a connection that has carried a request of it is that
// client's for ever.
func (f *farm) owns(c *serverConn, p *plan) bool {
	if c.owner != 0 && c.owner != p.client {
		return false
	}
	if p.profile == "own" {
		c.owner = p.client
	}
	return true
}

// forget ends the watch over a POST, and reports whether a server had begun it.
func (f *farm) forget(p *plan) (begun bool) {
	_, begun = f.begun.LoadAndDelete(p.id)
	return begun
}

// listen opens a listener on loopback.
func listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return lc.Listen(ctx, "tcp", "127.77.0.1:0")
}
