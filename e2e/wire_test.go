package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for octets that must come.
const patience = 30 * time.Second

// wire is one connection of which a test writes and reads every octet, on the
// side of a client or of a server.
type wire struct {
	net.Conn
	in *bufio.Reader
	t  testing.TB // nil where errors are the caller's business
}

func newWire(tb testing.TB, conn net.Conn) *wire { //nolint:thelper // tb may be nil
	if tb != nil {
		tb.Cleanup(func() { _ = conn.Close() })
	}
	return &wire{Conn: conn, in: bufio.NewReader(conn), t: tb}
}

// wire connects to the rig's VIP from source, a loopback address.
func (r *rig) wire(tb testing.TB, source string) *wire {
	tb.Helper()
	conn, err := r.connect(source)
	if err != nil {
		tb.Fatal(err)
	}
	w := newWire(tb, conn)
	w.within(patience)
	return w
}

// connect opens a client connection.
func (r *rig) connect(source string) (net.Conn, error) {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: patience}
	if r.mode.vip == "tls" {
		return dial(d, r.tls, r.roots)
	}
	return dial(d, r.plain, nil)
}

// dial connects to addr, by TLS if there are roots to trust.
func dial(d *net.Dialer, addr string, roots *x509.CertPool) (net.Conn, error) {
	if roots == nil {
		return d.Dial("tcp", addr)
	}
	return tls.DialWithDialer(d, "tcp", addr, &tls.Config{RootCAs: roots, ServerName: "localhost"})
}

// within gives the connection that long for all that follows.
func (w *wire) within(d time.Duration) {
	_ = w.SetDeadline(time.Now().Add(d)) // it fails on a closed connection, as the next use does
}

// say writes text.
func (w *wire) say(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.Conn, text); err != nil {
		w.t.Fatalf("write: %v", err)
	}
}

// sayf writes formatted text.
func (w *wire) sayf(format string, args ...any) {
	w.t.Helper()
	w.say(fmt.Sprintf(format, args...))
}

// hear reads n octets.
func (w *wire) hear(n int) string {
	w.t.Helper()
	p := make([]byte, n)
	if n, err := io.ReadFull(w.in, p); err != nil {
		w.t.Fatalf("read: %v after %q", err, p[:n])
	}
	return string(p)
}

// want reads as many octets as text has and fails if they are others.
func (w *wire) want(text string) {
	w.t.Helper()
	if got := w.hear(len(text)); got != text {
		w.t.Fatalf("read %q; want %q", got, text)
	}
}

// head reads a head with its empty line.
func (w *wire) head() string {
	w.t.Helper()
	var b bytes.Buffer
	for !bytes.HasSuffix(b.Bytes(), []byte("\r\n\r\n")) {
		line, err := w.in.ReadSlice('\n')
		b.Write(line)
		if err != nil {
			w.t.Fatalf("read: %v after %q", err, b.Bytes())
		}
	}
	return b.String()
}

// response reads a response to a request of that method, with its body.
func (w *wire) response(method string) (*http.Response, string) {
	w.t.Helper()
	resp, body, err := w.answer(method)
	if err != nil {
		w.t.Fatalf("response: %v", err)
	}
	return resp, body
}

// answer is response for who minds errors itself.
func (w *wire) answer(method string) (*http.Response, string, error) {
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// ends fails unless the peer has closed.
func (w *wire) ends() {
	w.t.Helper()
	if p, err := io.ReadAll(io.LimitReader(w.in, 1<<10)); len(p) > 0 || err != nil && timedOut(err) {
		w.t.Fatalf("read %q, %v; want the end", p, err)
	}
}

// quiet fails if the peer has sent anything that arrived by now.
func (w *wire) quiet(why string) {
	w.t.Helper()
	_ = w.SetReadDeadline(time.Now().Add(time.Millisecond))
	if p, err := w.in.Peek(1); err == nil || !timedOut(err) {
		w.t.Fatalf("read %q, %v; want nothing: %s", p, err, why)
	}
	w.within(patience)
}

func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// stub is a server that does nothing but accept: the test is the server.
type stub struct {
	net.Listener
	t testing.TB
}

func newStub(tb testing.TB) *stub {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return &stub{l, tb}
}

// accept waits for the next connection.
func (s *stub) accept() *wire {
	s.t.Helper()
	conn, err := s.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	w := newWire(s.t, conn)
	w.within(patience)
	return w
}

// noProbe is a probe that asks nothing. The first one comes within a tenth of
// the interval, which is what a rig waits for.
const noProbe = "kind = \"none\"\ninterval = \"200ms\"\ntimeout = \"100ms\"\n"

// unprobed is configuration by which services are up without a probe.
func unprobed(profiles ...string) string {
	var b strings.Builder
	for _, p := range profiles {
		fmt.Fprintf(&b, "[profile.%s.probe]\n%s", p, noProbe)
	}
	return b.String()
}

// newStubRig returns casbah with those profiles in front of one stub.
func newStubRig(tb testing.TB, m mode, profiles ...string) (*rig, *stub) {
	tb.Helper()
	s := newStub(tb)
	quoted := make([]string, len(profiles))
	for i, p := range profiles {
		quoted[i] = fmt.Sprintf("%q", p)
	}
	r := newRig(tb, setup{
		mode: m, servers: []string{s.Addr().String()}, profiles: strings.Join(quoted, ", "),
		extra: unprobed(profiles...),
	})
	return r, s
}
