package tlsbio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// peer is what the tests over sockets need of either side.
type peer interface {
	io.ReadWriter
	Handshake() error
	CloseWrite() error
	ConnectionState() tls.ConnectionState
}

var _ peer = (*tls.Conn)(nil)

// blocking makes a tls.Conn of a Conn and a socket: what waits, waits here.
type blocking struct {
	*Conn
	nc  net.Conn
	buf []byte
}

func (b *blocking) Sealed(p []byte) { b.nc.Write(p) } // a failure is met in the next read

// more feeds what the socket has.
func (b *blocking) more() {
	n, err := b.nc.Read(b.buf)
	b.Feed(b.buf[:n])
	if err != nil {
		b.FeedEnd()
	}
}

func (b *blocking) Handshake() error {
	for {
		if done, err := b.Conn.Handshake(); done || err != nil {
			return err
		}
		b.Keep()
		b.more()
	}
}

func (b *blocking) Read(p []byte) (int, error) {
	for {
		n, err := b.Conn.Read(p)
		if !errors.Is(err, ErrAgain) {
			return n, err
		}
		b.more()
	}
}

func (b *blocking) Write(p []byte) (int, error) { return len(p), b.Conn.Write(p) }

func (b *blocking) CloseWrite() error {
	b.Conn.CloseWrite()
	return nil
}

func (b *blocking) ConnectionState() tls.ConnectionState { return b.State() }

// sides are the ways to make a peer of a socket.
var sides = []struct {
	name           string
	client, server func(nc net.Conn, cfg *tls.Config) peer
}{
	{
		"tls",
		func(nc net.Conn, cfg *tls.Config) peer { return tls.Client(nc, cfg) },
		func(nc net.Conn, cfg *tls.Config) peer { return tls.Server(nc, cfg) },
	},
	{"tlsbio", bioClient(4096), bioServer(4096)},
	{"tlsbio-octets", bioClient(1), bioServer(1)},
}

func bioClient(chunk int) func(net.Conn, *tls.Config) peer {
	return func(nc net.Conn, cfg *tls.Config) peer {
		b := &blocking{nc: nc, buf: make([]byte, chunk)}
		b.Conn = Client(cfg, b, nc.RemoteAddr(), nc.LocalAddr())
		return b
	}
}

func bioServer(chunk int) func(net.Conn, *tls.Config) peer {
	return func(nc net.Conn, cfg *tls.Config) peer {
		b := &blocking{nc: nc, buf: make([]byte, chunk)}
		b.Conn = Server(cfg, b, nc.RemoteAddr(), nc.LocalAddr())
		return b
	}
}

// TestSockets echoes over TCP between each pair of kinds, by way of a full and a
// resumed handshake, with both kinds of key and client certificates.
func TestSockets(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		for key, cert := range map[string]tls.Certificate{"ecdsa": testKeys().ecdsa, "rsa": testKeys().rsa} {
			for _, server := range sides {
				for _, client := range sides {
					t.Run(fmt.Sprintf("%s/server=%s/client=%s", key, server.name, client.name), func(t *testing.T) {
						goroutines(t)
						serverCfg, clientCfg := serverConfig(version), clientConfig()
						serverCfg.Certificates = []tls.Certificate{cert}
						serverCfg.ClientAuth, serverCfg.ClientCAs = tls.RequireAndVerifyClientCert, testKeys().roots
						clientCfg.Certificates = []tls.Certificate{testKeys().client}
						clientCfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
						for _, resumed := range []bool{false, true} {
							near, far := socketPair(t)
							echoed := make(chan error, 1)
							go func() { echoed <- echo(server.server(far, serverCfg)) }()
							state, err := ask(client.client(near, clientCfg))
							if err != nil {
								t.Fatal("client:", err)
							}
							if err := <-echoed; err != nil {
								t.Fatal("server:", err)
							}
							if state.Version != version || state.DidResume != resumed || state.NegotiatedProtocol != "http/1.1" {
								t.Errorf("version %x, resumed %v, protocol %q", state.Version, state.DidResume, state.NegotiatedProtocol)
							}
						}
					})
				}
			}
		}
	})
}

// socketPair returns both ends of a TCP connection.
func socketPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = ln.Accept()
	if err != nil {
		near.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	for _, nc := range []net.Conn{near, far} {
		nc.SetDeadline(time.Now().Add(time.Minute)) // a lost octet ends the test
	}
	return near, far
}

// echo answers everything with itself, and the end with the end.
func echo(p peer) error {
	if err := p.Handshake(); err != nil {
		return err
	}
	if _, err := io.Copy(writer{p}, p); err != nil {
		return err
	}
	return p.CloseWrite()
}

// writer hides all methods but Write.
type writer struct{ io.Writer }

// ask sends texts of some sizes and wants them back.
func ask(p peer) (tls.ConnectionState, error) {
	if err := p.Handshake(); err != nil {
		return tls.ConnectionState{}, err
	}
	for i, size := range []int{1, 1000, 1<<14 + 1} {
		text := bytes.Repeat([]byte{byte('a' + i)}, size)
		if _, err := p.Write(text); err != nil {
			return tls.ConnectionState{}, err
		}
		got := make([]byte, size)
		if _, err := io.ReadFull(p, got); err != nil || !bytes.Equal(got, text) {
			return tls.ConnectionState{}, fmt.Errorf("echo of %d octets: %w", size, err)
		}
	}
	if err := p.CloseWrite(); err != nil {
		return tls.ConnectionState{}, err
	}
	if n, err := p.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return tls.ConnectionState{}, fmt.Errorf("end: %d octets, %w", n, err)
	}
	return p.ConnectionState(), nil
}
