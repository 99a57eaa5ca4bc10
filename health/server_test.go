package health

import (
	"bufio"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/balance"
)

// endpoint returns the way to addr.
func endpoint(addr net.Addr) *balance.Endpoint {
	e := &balance.Endpoint{Server: 1, Name: "cas1", Target: "cas1.example.org:80"}
	e.SetAddr(netip.MustParseAddrPort(addr.String()))
	return e
}

// serve answers every connection with f, in a goroutine of its own, until the
// test ends. It returns the way there.
func serve(t *testing.T, f func(net.Conn)) *balance.Endpoint {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(10 * time.Second))
			f(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return endpoint(ln.Addr())
}

// readHead reads up to the empty line of a request and returns it.
func readHead(c net.Conn) string {
	var b strings.Builder
	for br := bufio.NewReader(c); !strings.HasSuffix(b.String(), "\r\n\r\n"); {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			break
		}
	}
	return b.String()
}

// answer returns a server that reads a request and writes text.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		readHead(c)
		c.Write([]byte(text))
	}
}

// flood reads a request, writes head and then body without end.
func flood(head, body string) func(net.Conn) {
	return func(c net.Conn) {
		readHead(c)
		c.Write([]byte(head))
		for chunk := []byte(strings.Repeat(body, 1000)); ; {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	}
}
