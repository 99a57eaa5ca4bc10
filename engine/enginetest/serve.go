package enginetest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"casbah/engine"
)

// loopback is an address for a socket, its port chosen by the system.
var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// served is an engine that serves a listener.
type served struct {
	engine.Engine
	at     netip.AddrPort
	socket engine.Socket
}

// start serves ln by an engine of cfg until the end of t. A panic of a core
// fails t where cfg tells nobody else.
func (t *trial) start(cfg engine.Config, ln *engine.Listener) *served {
	t.Helper()
	if cfg.OnPanic == nil {
		cfg.OnPanic = func(where string, value any, stack []byte) {
			t.Errorf("a core panicked at %s: %v\n%s", where, value, stack)
		}
	}
	e := t.open(t, cfg)
	s := Serve(t, e, ln)
	return &served{e, s.Addr(), s}
}

// Serve serves ln by e at an address of loopback until the end of tb, which
// kills and closes e.
func Serve(tb testing.TB, e engine.Engine, ln *engine.Listener) engine.Socket {
	tb.Helper()
	tb.Cleanup(func() { stop(tb, e) })
	return ServeAt(tb, e, loopback, ln)
}

// ServeAt serves ln by e at an address until the end of tb.
func ServeAt(tb testing.TB, e engine.Engine, at netip.AddrPort, ln *engine.Listener) engine.Socket {
	tb.Helper()
	s, err := e.Listen(tb.Context(), at)
	if err != nil {
		tb.Fatalf("Listen(%v): %v", at, err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	tb.Cleanup(func() {
		s.Close()
		if err := Receive(tb, done, "end of Serve after Close"); err != nil {
			tb.Errorf("Serve() = %v after Close; want nil", err)
		}
	})
	return s
}

// stop ends e.
func stop(tb testing.TB, e engine.Engine) {
	tb.Helper()
	e.Kill()
	Wait(tb, e)
	if tb.Failed() {
		return // Close waits for connections without end
	}
	closed := make(chan struct{})
	go func() {
		e.Close()
		close(closed)
	}()
	Receive(tb, closed, "end of Engine.Close")
}

// Dial connects to a socket, plain, until the end of tb.
func Dial(tb testing.TB, to netip.AddrPort) *net.TCPConn {
	tb.Helper()
	nc, err := tryDial(tb, to)
	if err != nil {
		tb.Fatalf("%v; the system's sockets of that port:\n%s", err, socketsAt(to.Port()))
	}
	return nc
}

// socketsAt returns the lines of proc_net_tcp(5) with that port: who waits for
// whom, and how long the queues are.
func socketsAt(port uint16) string {
	list, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return err.Error()
	}
	var found []string
	for line := range strings.Lines(string(list)) {
		if strings.Contains(line, fmt.Sprintf(":%04X ", port)) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

// tryDial is Dial of what may not be there.
func tryDial(tb testing.TB, to netip.AddrPort) (*net.TCPConn, error) {
	tb.Helper()
	nc, err := (&net.Dialer{Timeout: Patience}).DialContext(tb.Context(), "tcp", to.String())
	if err != nil {
		return nil, err
	}
	tb.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(2 * Patience))
	tcp, _ := nc.(*net.TCPConn)
	return tcp, nil
}
