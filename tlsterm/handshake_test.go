package tlsterm

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// handshake runs one connection: the handshake, and an octet each way, so that
// tickets which follow the handshake arrive. It returns what the client saw and
// the errors of both sides. The connection is TCP, since both sides of a
// handshake may write at once, which a pipe without a buffer does not survive.
func handshake(t *testing.T, server, client *tls.Config) (state tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	a, b := connect(t)
	done := make(chan error, 1)
	go func() {
		defer a.Close()
		done <- echo(tls.Server(a, server))
	}()
	conn := tls.Client(b, client)
	clientErr = ask(conn)
	state = conn.ConnectionState()
	b.Close()
	return state, <-done, clientErr
}

// connect returns both ends of a connection on loopback.
func connect(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if b, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if a, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	return a, b
}

// echo answers one octet.
func echo(c *tls.Conn) error {
	var one [1]byte
	if _, err := c.Read(one[:]); err != nil {
		return err
	}
	_, err := c.Write(one[:])
	return err
}

// ask sends one octet and reads the answer.
func ask(c *tls.Conn) error {
	if _, err := c.Write([]byte{'?'}); err != nil {
		return err
	}
	var one [1]byte
	_, err := c.Read(one[:])
	return err
}

// mustShake is handshake where both sides must agree.
func mustShake(t *testing.T, server, client *tls.Config) tls.ConnectionState {
	t.Helper()
	state, serverErr, clientErr := handshake(t, server, client)
	if serverErr != nil || clientErr != nil {
		t.Fatalf("handshake: server %v, client %v", serverErr, clientErr)
	}
	return state
}
