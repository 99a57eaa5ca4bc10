//go:build linux

package reactor

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/engine/enginetest"
)

// halting is a connection whose client falls silent after some writes.
type halting struct {
	net.Conn
	left int
	done chan struct{} // closed at the first write that is swallowed
}

func (h *halting) Write(p []byte) (int, error) {
	if h.left--; h.left == -1 {
		close(h.done)
	}
	if h.left < 0 {
		return len(p), nil
	}
	return h.Conn.Write(p)
}

// A client that does not go on before there is a core is declined in time, not
// before it, is counted by its cause, and leaves no descriptor behind, whether it
// closes or not.
func TestGreetingIsDeclinedInTime(t *testing.T) {
	shakes := func(t *testing.T, nc net.Conn) { // up to its last flight
		t.Helper()
		h := &halting{Conn: nc, left: 1, done: make(chan struct{})}
		c := tls.Client(h, enginetest.ClientTLS())
		go func() { _ = c.Handshake() }()
		enginetest.Receive(t, h.done, "second flight of the client")
	}
	says := func(s string) func(*testing.T, net.Conn) {
		return func(t *testing.T, nc net.Conn) {
			t.Helper()
			enginetest.Send(t, nc, s)
		}
	}
	proxied := &engine.Listener{ProxyFrom: fromLoopback}
	secure := &engine.Listener{TLS: enginetest.ServerTLS()}
	both := &engine.Listener{ProxyFrom: fromLoopback, TLS: enginetest.ServerTLS()}
	const header = "PROXY TCP4 192.0.2.7 192.0.2.10 4711 80\r\n"
	tests := []struct {
		name  string
		ln    *engine.Listener
		comes func(t *testing.T, nc net.Conn)
		after time.Duration
		want  engine.Reason
	}{
		{"proxy-header-none", proxied, says(""), bounds.ProxyTime, engine.ProxyHeader},
		{"proxy-header-v1-part", proxied, says("PROXY TCP4 192."), bounds.ProxyTime, engine.ProxyHeader},
		{"proxy-header-v2-part", proxied, says("\r\n\r\n\x00\r\nQUIT\n\x21\x11"), bounds.ProxyTime, engine.ProxyHeader},
		{"proxy-header-before-tls", both, says(""), bounds.ProxyTime, engine.ProxyHeader},
		{"handshake-none", secure, says(""), bounds.HandshakeTime, engine.Handshake},
		{"handshake-part", secure, says("\x16\x03\x01"), bounds.HandshakeTime, engine.Handshake},
		{"handshake-halfway", secure, shakes, bounds.HandshakeTime, engine.Handshake},
		{"handshake-behind-header", both, says(header), bounds.HandshakeTime, engine.Handshake},
	}
	for _, tt := range tests {
		for _, closes := range []bool{true, false} {
			t.Run(tt.name+map[bool]string{true: "/closes", false: "/stays"}[closes], func(t *testing.T) {
				ln := &engine.Listener{New: enginetest.Echo, ProxyFrom: tt.ln.ProxyFrom, TLS: tt.ln.TLS}
				r := newRig(t, ln)
				r.declines(ln, tt.comes, tt.after, tt.want, closes)
			})
		}
	}
}

func (r *rig) declines(ln *engine.Listener, comes func(*testing.T, net.Conn), after time.Duration, want engine.Reason, closes bool) {
	t := r.t
	nc := enginetest.Dial(t, r.at)
	comes(t, nc)
	enginetest.Becomes(t, "Open()", r.Open, 1)
	r.wantLegs(1, 0)
	before := descriptors(t)
	r.pass(after - slot)
	if len(r.why) > 0 || r.Open() != 1 {
		t.Fatalf("%d open, %d refused before %v; want 1, 0", r.Open(), len(r.why), after)
	}
	r.pass(2 * slot)
	if got := enginetest.Receive(t, r.why, "refusal"); got != want {
		t.Errorf("refused for %v; want %v", got, want)
	}
	if _, err := io.Copy(io.Discard, nc); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v; want the end", err)
	}
	held := 1 // the client's
	if closes {
		_ = nc.Close()
		held = 0
	} else {
		r.pass(bounds.LingerTime + 2*slot)
	}
	enginetest.Wait(t, r)
	r.wantLegs(0, 0)
	if got, want := descriptors(t), before-2+held; got != want {
		t.Errorf("%d descriptors are open; want %d", got, want)
	}
	if len(r.why) > 0 || ln.Open() != 0 {
		t.Errorf("%d more refusals, %d open; want none", len(r.why), ln.Open())
	}
}
