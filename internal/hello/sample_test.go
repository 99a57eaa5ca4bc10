package hello

import (
	"crypto/tls"
	"net"
	"testing"
)

// tap keeps what is written to a connection first.
type tap struct {
	net.Conn
	first []byte
}

func (c *tap) Write(p []byte) (int, error) {
	if c.first == nil {
		c.first = append([]byte{}, p...)
	}
	return c.Conn.Write(p)
}

// real returns the hellos of a handshake of crypto/tls.
func real(tb testing.TB, client, server *tls.Config) (clientFirst, serverFirst []byte) {
	tb.Helper()
	a, b := net.Pipe()
	from, to := &tap{Conn: a}, &tap{Conn: b}
	done := make(chan error, 1)
	go func() { done <- tls.Server(to, server).Handshake() }()
	if err := tls.Client(from, client).Handshake(); err != nil {
		tb.Fatal(err)
	}
	_ = a.Close()
	<-done
	_ = b.Close()
	return from.first, to.first
}
