package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// act is what a rogue does once it has read a request head: conn is where the
// answer goes, and the body of req is not read yet. It reports whether the
// connection takes another request.
type act func(conn net.Conn, req *http.Request) bool

// rogue is a server whose manners depend on the path: each is an act by the last
// segment of it. Any other path is answered as by an honest server.
type rogue struct {
	net.Listener
	acts map[string]act

	work  sync.WaitGroup
	mu    sync.Mutex // guards the fields below
	heads []*http.Request
	conns map[net.Conn]bool
}

func newRogue(tb testing.TB, acts map[string]act) *rogue {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return newRogueOn(tb, ln, acts)
}

// newRogueOn is newRogue with a listener of the caller's.
func newRogueOn(tb testing.TB, ln net.Listener, acts map[string]act) *rogue {
	tb.Helper()
	g := &rogue{Listener: ln, acts: acts, conns: make(map[net.Conn]bool)}
	g.work.Go(g.run)
	tb.Cleanup(g.stop)
	return g
}

func (g *rogue) run() {
	for {
		conn, err := g.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		g.conns[conn] = true
		g.mu.Unlock()
		g.work.Go(func() {
			defer g.forget(conn)
			g.serve(conn)
		})
	}
}

func (g *rogue) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		g.mu.Lock()
		g.heads = append(g.heads, req)
		g.mu.Unlock()
		do := g.acts[req.URL.Path[strings.LastIndexByte(req.URL.Path, '/')+1:]]
		if do == nil {
			do = honest
		}
		if !do(conn, req) {
			return
		}
	}
}

func (g *rogue) forget(conn net.Conn) {
	_ = conn.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, conn)
}

// stop ends everything that the rogue does, and waits for it.
func (g *rogue) stop() {
	_ = g.Close()
	g.mu.Lock()
	for conn := range g.conns {
		_ = conn.Close()
	}
	g.mu.Unlock()
	g.work.Wait()
}

// asked returns the requests for that path whose heads have come in.
func (g *rogue) asked(path string) []*http.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	var found []*http.Request
	for _, req := range g.heads {
		if req.URL.Path == path {
			found = append(found, req)
		}
	}
	return found
}

// honest reads the body and answers with how long it was.
func honest(conn net.Conn, req *http.Request) bool {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	return says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(conn, req)
}

// says answers with text.
func says(text string) act {
	return func(conn net.Conn, _ *http.Request) bool {
		_, err := io.WriteString(conn, text)
		return err == nil
	}
}

// leaves answers with text and closes.
func leaves(text string) act {
	return func(conn net.Conn, req *http.Request) bool {
		says(text)(conn, req)
		return false
	}
}

// repeats answers with text over and over until nobody listens.
func repeats(first, text string) act {
	return func(conn net.Conn, req *http.Request) bool {
		for ok := says(first)(conn, req); ok; {
			ok = says(text)(conn, req)
		}
		return false
	}
}

// resets answers with text and resets the connection.
func resets(text string) act {
	return func(conn net.Conn, req *http.Request) bool {
		says(text)(conn, req)
		_ = conn.(*net.TCPConn).SetLinger(0)
		return false
	}
}

// silent never answers, until nobody listens.
func silent(conn net.Conn, _ *http.Request) bool {
	_, _ = io.Copy(io.Discard, conn)
	return false
}
