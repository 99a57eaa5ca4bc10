package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// post is a request that must not be sent twice, so one that meets a dead
// connection cannot be saved.
const post = "POST /EWS/%d HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"

const posted = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// towards runs f with servers that take plain connections, and such that take
// TLS. Secure makes a listener one of these, and returns the keys of the pool.
func towards(t *testing.T, f func(t *testing.T, m mode, secure func(net.Listener) (net.Listener, string))) {
	t.Helper()
	plain := func(ln net.Listener) (net.Listener, string) { return ln, "" }
	t.Run("offloaded", func(t *testing.T) {
		modes(t, func(t *testing.T, m mode) { f(t, m, plain) })
	})
	t.Run("re-encrypted", func(t *testing.T) {
		modes(t, func(t *testing.T, m mode) {
			f(t, m, func(ln net.Listener) (net.Listener, string) { return secured(t, ln) })
		})
	})
}

// spoken takes TLS, and gives out the connections on which something is said:
// casbah looks at servers' certificates by others, which are not what a test is of.
type spoken struct {
	net.Listener
	tls *tls.Config
}

func (l *spoken) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &spokenConn{Conn: tls.Server(conn, l.tls)}
		c.in = bufio.NewReader(c.Conn)
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.in.Peek(1); err == nil {
			_ = c.SetReadDeadline(time.Time{})
			return c, nil
		}
		_ = c.Close()
	}
}

// spokenConn is a connection whose begin was read.
type spokenConn struct {
	*tls.Conn
	in *bufio.Reader
}

func (c *spokenConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// secured has ln take TLS, and returns the keys of a pool for that.
func secured(t *testing.T, ln net.Listener) (net.Listener, string) {
	t.Helper()
	id := newIdentity(t, t.TempDir())
	return &spoken{ln, id.ofServer()}, verified(id.cert)
}

// takes fails unless the next request on this connection is post n, and answers it.
func (w *wire) takes(n int) {
	w.t.Helper()
	w.want(fmt.Sprintf("POST /EWS/%d HTTP/1.1\r\n", n))
	w.head()
	w.want("body")
	w.say(posted)
}

// finishes ends what the server says, and waits until casbah has let go of the
// connection, which it does without being asked for anything.
func (w *wire) finishes() {
	w.t.Helper()
	if err := w.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		w.t.Fatal(err)
	}
	w.ends()
	_ = w.Close()
}

// A connection that its server closes while nobody asks is noticed then, and not
// by the next request, which would be lost.
func TestServerClosesAKeptConnection(t *testing.T) {
	towards(t, func(t *testing.T, m mode, secure func(net.Listener) (net.Listener, string)) {
		s := newStub(t)
		var pool string
		s.Listener, pool = secure(s.Listener)
		r := newRig(t, setup{
			mode: m, servers: []string{s.Addr().String()}, profiles: `"ews"`, pool: pool, extra: unprobed("ews"),
		})
		c := r.wire(t, "127.0.0.2")
		for n := range 5 {
			c.sayf(post, n)
			server := s.accept()
			server.takes(n)
			c.want(posted)
			c.sayf(post, n+100)
			server.takes(n + 100) // it is kept
			c.want(posted)
			server.finishes()
		}
	})
}

// whom answers with the address of the connection on which it is asked.
func whom(conn net.Conn, req *http.Request) bool {
	from := conn.RemoteAddr().String()
	_, err := io.Copy(io.Discard, req.Body)
	return err == nil && says(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(from), from))(conn, req)
}

// asks sends a POST, and returns on which connection of the server it came.
func (w *wire) asks() string {
	w.t.Helper()
	w.say("POST /calm/whom HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
	resp, from := w.response("POST")
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("status %d; want 200", resp.StatusCode)
	}
	return from
}

// passer is a client that asks once, and is gone.
func (r *rig) passer(t *testing.T) (from string) {
	t.Helper()
	c := r.wire(t, "127.0.0.3")
	from = c.asks()
	_ = c.Close()
	r.until("the client has left", func() bool { return r.node.Status().Connections == 0 })
	return from
}

// anonymousCalm is ownProfiles with a profile whose connections to servers may
// serve other clients.
var anonymousCalm = strings.Replace(ownProfiles, "[profile.calm]\n", "[profile.calm]\nreuse = \"anonymous\"\n", 1)

// A connection that waits for another client is noticed as well when it ends.
func TestServerClosesAParkedConnection(t *testing.T) {
	towards(t, func(t *testing.T, m mode, secure func(net.Listener) (net.Listener, string)) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln, pool := secure(ln)
		server := newRogueOn(t, ln, map[string]act{"whom": whom})
		r := newRig(t, setup{
			mode: m, servers: []string{server.Addr().String()}, profiles: `"calm"`, pool: pool, extra: anonymousCalm,
		})
		for range 3 {
			old := map[string]bool{r.passer(t): true}
			r.until("a connection serves another client", func() bool {
				from := r.passer(t)
				again := old[from]
				old[from] = true
				return again
			})
			server.finish(r)
			for range 5 {
				if from := r.passer(t); old[from] {
					t.Errorf("a request was sent on %s, which the server had closed", from)
				}
			}
		}
	})
}

// finish ends what the server says on all its connections, and waits until
// casbah has let go of them, which it does without being asked for anything.
func (g *rogue) finish(r *rig) {
	r.t.Helper()
	g.mu.Lock()
	for conn := range g.conns {
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			r.t.Error(err)
		}
	}
	g.mu.Unlock()
	r.until("casbah has let go of the server's connections", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.conns) == 0
	})
}

// A client that keeps its connection and asks for nothing does not keep one to
// its server, where the profile lets others use that.
func TestIdleClientHoldsNoServerConnection(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		server := newRogue(t, map[string]act{"whom": whom})
		r := newRig(t, setup{
			mode: m, servers: []string{server.Addr().String()}, profiles: `"calm"`, extra: anonymousCalm,
		})
		idle := r.wire(t, "127.0.0.2")
		first := idle.asks()
		// Nobody is asked before it is parked: what others leave would lie above
		// it. They keep what they get, and one of them is on its loop.
		time.Sleep(1500 * time.Millisecond)
		r.until("another client is served on the connection of the idle one", func() bool {
			return r.wire(t, "127.0.0.3").asks() == first
		})
		idle.asks()
	})
}

// A server whose certificate does not hold gets no request, also where no probe
// has found out.
func TestDialsVerifyTheServer(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		s := newStub(t)
		ln, pool := secured(t, s.Listener)
		met := make(chan error, 1)
		r := newRig(t, setup{
			mode: m, servers: []string{s.Addr().String()}, profiles: `"ews"`, extra: unprobed("ews"),
			pool: strings.Replace(pool, `"localhost"`, `"mail.example.org"`, 1),
		})
		go func() {
			conn, err := ln.Accept()
			if err == nil {
				_ = conn.Close()
			}
			met <- err
		}()
		c := r.wire(t, "127.0.0.2")
		c.sayf(post, 1)
		if resp, _ := c.response("POST"); resp.StatusCode != http.StatusBadGateway {
			t.Errorf("status %d; want 502", resp.StatusCode)
		}
		_ = ln.Close()
		if err := <-met; err == nil {
			t.Error("the server got an octet of the request")
		}
	})
}
