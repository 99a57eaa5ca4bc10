package datagram

import (
	"net/netip"
	"testing"

	"casbah/internal/transparent"
)

// Flows of a transparent endpoint come to the server from their clients' addresses,
// where the system lets them; else nothing is passed on, and another server is tried.
func TestFlowsComeFromTheirClients(t *testing.T) {
	s := server(t, "127.0.0.1:0", false)
	r := newRig(t, Config{}, s.addr())
	r.endpoints[0].Transparent = true
	at := r.listen("127.0.0.1:0").Addr()
	permitted := transparent.Permitted() == nil
	for i, from := range []string{"127.0.0.7:0", "127.0.0.8:0", "127.0.0.7:0"} {
		c := client(t, from, at)
		c.say([]byte("hello"))
		if !permitted {
			r.until("the server is given up", func() bool { return r.flow(i).unreached == 1 })
			continue
		}
		seen := s.hears([]byte("hello"))
		if seen.Addr() != c.addr().Addr() {
			t.Errorf("the server hears %s; want a port of %s", seen, c.addr().Addr())
		}
		if _, err := s.WriteToUDPAddrPort([]byte("answer"), seen); err != nil {
			t.Fatal(err)
		}
		c.hears([]byte("answer"))
	}
}

// A server of another family than the client has cannot be reached from there.
func TestTransparentFlowOfAnotherFamily(t *testing.T) {
	s := server(t, "[::1]:0", true)
	r := newRig(t, Config{}, s.addr(), netip.AddrPort{})
	r.endpoints[0].Transparent = true
	c := client(t, "", r.listen("127.0.0.1:0").Addr())
	c.say([]byte("hello"))
	r.until("no server is left", func() bool { return r.flow(0).unreached == 2 })
	c.silent()
}
