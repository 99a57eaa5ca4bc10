package health

import (
	"bufio"
	"net"
	"testing"

	"github.com/pires/go-proxyproto"
)

// A probe begins as the connections of clients do: with a header, of nobody's or
// of its own, ahead of what it says.
func TestProbeSendsThePROXYHeader(t *testing.T) {
	for version := 1; version <= 2; version++ {
		heard := make(chan *proxyproto.Header, 1)
		e := serve(t, func(c net.Conn) {
			in := bufio.NewReader(c)
			h, err := proxyproto.Read(in)
			if err != nil {
				t.Errorf("version %d: the server reads no header: %v", version, err)
			}
			heard <- h
			for line := ""; line != "\r\n" && err == nil; {
				line, err = in.ReadString('\n')
			}
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		})
		e.ProxyProtocol = version
		checkError(t, &HTTPProbe{Endpoint: e, Path: "/"}, "")
		h := <-heard
		if h == nil {
			continue
		}
		from, to, named := h.TCPAddrs()
		addr, _ := e.Addr()
		if int(h.Version) != version || h.Command.IsLocal() != (version == 2) ||
			version == 1 && (!named || !from.IP.IsLoopback() || to.AddrPort() != addr) {
			t.Errorf("header %+v; want version %d, of the probe's own connection", h, version)
		}
	}
}
