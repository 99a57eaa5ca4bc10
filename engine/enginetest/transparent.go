package enginetest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/internal/transparent"
)

// comeFromClients has connections to a server come from the addresses of the
// clients, where the system lets it; else the dial says why not.
func comeFromClients(t *trial) {
	for _, secure := range []bool{false, true} {
		t.run(fmt.Sprintf("upstream-tls=%v", secure), func(t *trial) {
			sources := make(chan netip.AddrPort, 4)
			up := Upstream(t, secure, func(nc net.Conn) {
				sources <- addrPort(nc.RemoteAddr())
				_, _ = io.WriteString(nc, "hello")
				_, _ = io.Copy(io.Discard, nc)
			})
			up.Transparent = true
			if err := transparent.Permitted(); err != nil {
				t.Logf("only that it fails: %v", err)
				if err := answerTo(t, up); !errors.Is(err, syscall.EPERM) {
					t.Errorf("Dialed(%v); want EPERM", err)
				}
				return
			}
			s := t.start(engine.Config{}, ownConnections(t, up))
			for _, source := range []string{"127.0.0.7", "127.0.0.8", "127.0.0.7"} {
				d := net.Dialer{Timeout: Patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
				nc, err := d.DialContext(t.Context(), "tcp", s.at.String())
				if err != nil {
					t.Fatal(err)
				}
				_ = nc.SetDeadline(time.Now().Add(Patience))
				Expect(t, nc, "hello")
				ExpectEnd(t, nc)
				if got := Receive(t, sources, "connection"); got.Addr().String() != source {
					t.Errorf("the server sees %v; want a port of %s", got, source)
				}
				_ = nc.Close()
				Wait(t, s)
			}
		})
	}
}

// otherFamily fails where client and server have no family of addresses in common.
func otherFamily(t *trial) {
	up := &balance.Endpoint{Transparent: true}
	up.SetAddr(netip.MustParseAddrPort("[::1]:1"))
	if err := answerTo(t, up); err == nil || !strings.Contains(err.Error(), "no family") {
		t.Errorf("Dialed(%v); want that client and server have no family in common", err)
	}
}

// answerTo returns what becomes of a dial.
func answerTo(t *trial, up *balance.Endpoint) error {
	t.Helper()
	answers := make(chan error, 1)
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(dialOnce(up, answers))})
	nc := Dial(t, s.at)
	Send(t, nc, "x")
	return Receive(t, answers, "Dialed")
}
