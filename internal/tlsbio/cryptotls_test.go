package tlsbio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The tests of this file hold crypto/tls itself to what this package is built
// on. They use none of the package but to have a peer.

// scripted is a net.Conn whose reads and writes a test decides. Without any it
// is a source of in, and takes what is written into out.
type scripted struct {
	net.Conn // nil: what a test does not expect panics

	in    bytes.Buffer
	out   queue
	read  func(p []byte) (int, error)
	write func(p []byte) (int, error)
}

func (s *scripted) Read(p []byte) (int, error) {
	if s.read != nil {
		return s.read(p)
	}
	return s.in.Read(p)
}

func (s *scripted) Write(p []byte) (int, error) {
	if s.write != nil {
		return s.write(p)
	}
	s.out.Sealed(p)
	return len(p), nil
}

func (*scripted) SetWriteDeadline(time.Time) error { return nil }
func (*scripted) Close() error                     { return nil }

// scriptedServer is a tls.Conn over a scripted one, after its handshake with a
// client of this package.
func scriptedServer(t *testing.T, version uint16) (*tls.Conn, *scripted, *pair) {
	t.Helper()
	p := newPair(t, clientConfig(), serverConfig(version))
	under := new(scripted)
	under.read = func(b []byte) (int, error) {
		if err := deliver(&under.out, p.client, 1<<20); err != nil {
			return 0, err
		}
		if len(p.up.b) == 0 {
			return 0, errors.New("the client sends nothing")
		}
		n := copy(b, p.up.b)
		p.up.b = p.up.b[n:]
		return n, nil
	}
	server := tls.Server(under, serverConfig(version))
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	under.read = nil
	if err := deliver(&under.out, p.client, 1<<20); err != nil || !p.client.Done() {
		t.Fatal("the client is not done:", err)
	}
	return server, under, p
}

// stutter returns octets of in one by one, an error before each, and after all.
func stutter(in []byte, err error) func(p []byte) (int, error) {
	ready := true
	return func(p []byte) (int, error) {
		if ready = !ready; !ready || len(in) == 0 {
			return 0, err
		}
		p[0] = in[0]
		in = in[1:]
		return 1, nil
	}
}

// TestReadSurvivesTemporaryError: tls.Conn.Read goes on after one, wherever in
// a record it comes, and returns it as it is.
func TestReadSurvivesTemporaryError(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		server, under, p := scriptedServer(t, version)
		write(t, p.client, "one")
		write(t, p.client, "two")
		p.client.CloseWrite()
		in := p.up.take()
		under.read = stutter(in, ErrAgain)
		var got strings.Builder
		buf := make([]byte, 10)
		again := 0
		for {
			n, err := server.Read(buf)
			got.Write(buf[:n])
			if err == io.EOF { //nolint:errorlint // as it is
				break
			}
			if err == ErrAgain { //nolint:errorlint // as it is
				again++
			} else if err != nil {
				t.Fatalf("Read() = %v", err)
			}
		}
		if got.String() != "onetwo" || again != len(in) {
			t.Errorf("read %q, %d temporary errors; want %q, %d", got.String(), again, "onetwo", len(in))
		}
	})
}

// TestReadKeepsOtherErrors: they are final, and come as they are, as
// transport.Read counts on at the end of the input.
func TestReadKeepsOtherErrors(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		for cut := range 6 {
			server, under, p := scriptedServer(t, version)
			write(t, p.client, "one")
			in := p.up.take()
			under.in.Write(in[:cut])
			broken := errors.New("broken")
			under.read = func(b []byte) (int, error) {
				if under.in.Len() > 0 {
					return under.in.Read(b)
				}
				return 0, broken
			}
			buf := make([]byte, 10)
			if _, err := server.Read(buf); err != broken { //nolint:errorlint // as it is
				t.Fatalf("after %d octets: %v; want %v", cut, err, broken)
			}
			under.read = nil
			under.in.Write(in[cut:])
			if _, err := server.Read(buf); err != broken { //nolint:errorlint // as it is
				t.Fatalf("after %d octets, second Read: %v; want %v", cut, err, broken)
			}
		}
	})
}

// TestReadGivesAllOfRecord: a tls.Conn.Read that leaves room in its buffer left
// nothing in crypto/tls, if there was one record. Conn.dry counts on it.
func TestReadGivesAllOfRecord(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		server, under, p := scriptedServer(t, version)
		for _, size := range []int{1, 100, 1 << 14} {
			write(t, p.client, strings.Repeat("x", size))
			under.in.Write(p.up.take())
			if n, err := server.Read(make([]byte, size+1)); n != size || err != nil {
				t.Errorf("Read() of a record with %d octets = %d, %v", size, n, err)
			}
			under.read = func([]byte) (int, error) { return 0, ErrAgain }
			if n, err := server.Read(make([]byte, 1)); n != 0 || err != ErrAgain { //nolint:errorlint // as it is
				t.Errorf("second Read() = %d, %v; want nothing", n, err)
			}
			under.read = nil
		}
	})
}

// TestWriteDoesNotSurviveTemporaryError is why transport.Write accepts all.
// Should it fail, the package could do more than it does.
func TestWriteDoesNotSurviveTemporaryError(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		server, under, _ := scriptedServer(t, version)
		under.write = func([]byte) (int, error) { return 0, ErrAgain }
		if _, err := server.Write([]byte("x")); err == nil {
			t.Fatal("Write() succeeds without a transport")
		}
		under.write = nil
		if _, err := server.Write([]byte("x")); err == nil || len(under.out.b) != 0 {
			t.Errorf("second Write() = %v, %d octets; want it to fail", err, len(under.out.b))
		}
	})
}

// TestHandshakeDoesNotSurviveTemporaryError is why it runs as a coroutine.
func TestHandshakeDoesNotSurviveTemporaryError(t *testing.T) {
	p := newPair(t, clientConfig(), serverConfig(tls.VersionTLS13))
	p.client.Handshake()
	hello := p.up.take()
	under := new(scripted)
	under.read = stutter(hello[:20], ErrAgain)
	server := tls.Server(under, serverConfig(tls.VersionTLS13))
	if err := server.Handshake(); !errors.Is(err, ErrAgain) {
		t.Fatalf("Handshake() = %v; want %v", err, ErrAgain)
	}
	under.read = nil
	under.in.Write(hello)
	if err := server.Handshake(); !errors.Is(err, ErrAgain) || len(under.out.b) != 0 {
		t.Errorf("second Handshake() = %v, %d octets; want the first error", err, len(under.out.b))
	}
}

// TestParkedHandshakeLocks: methods of a tls.Conn wait for its handshake, but
// Close does not. It is why State and the rest look at done before they call.
func TestParkedHandshakeLocks(t *testing.T) {
	goroutines(t)
	p := newPair(t, clientConfig(), serverConfig(tls.VersionTLS13))
	p.client.Handshake()
	if err := p.client.tls.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.client.tls.ConnectionState()
	}()
	if !waits(ended, "ConnectionState") {
		t.Error("ConnectionState does not wait for a parked handshake")
	}
	p.client.Close()
	<-ended
}

// waits reports whether a goroutine waits for a mutex below the named method
// before ended is closed.
func waits(ended <-chan struct{}, method string) bool {
	stacks := make([]byte, 1<<20)
	for {
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(stack, "[sync.Mutex.Lock") && strings.Contains(stack, method) {
				return true
			}
		}
		select {
		case <-ended:
			return false
		default:
			runtime.Gosched()
		}
	}
}

// TestReadWrites: an alert that crypto/tls sends within Read goes through the
// Write of the same transport before Read returns.
func TestReadWrites(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		server, under, p := scriptedServer(t, version)
		write(t, p.client, "text")
		in := p.up.take()
		in[len(in)-1] ^= 1
		under.in.Write(in)
		if _, err := server.Read(make([]byte, 10)); err == nil || len(under.out.b) == 0 {
			t.Fatalf("Read() = %v, %d octets of alert", err, len(under.out.b))
		}
		p.client.Feed(under.out.take())
		_, err := p.client.Read(make([]byte, 10))
		if err == nil {
			t.Fatalf("the client reads %v; want the alert", err)
		}
		if !strings.Contains(err.Error(), "bad record MAC") {
			t.Errorf("the client reads %v; want bad record MAC", err)
		}
	})
}

// TestCloneKeepsItsTicketKeys: a clone has the ticket keys of its original as
// they were; those that are set later do not reach it.
func TestCloneKeepsItsTicketKeys(t *testing.T) {
	server := serverConfig(tls.VersionTLS13)
	server.SetSessionTicketKeys([][32]byte{{1}})
	clone := server.Clone()
	resumed := func(server *tls.Config, sessions tls.ClientSessionCache) bool {
		client := clientConfig()
		client.ClientSessionCache = sessions
		p := newPair(t, client, server)
		p.shake(t)
		write(t, p.server, "x")
		wantRead(t, p.client, &p.down, "x", ErrAgain) // behind the ticket
		return p.client.State().DidResume
	}
	sessions := tls.NewLRUClientSessionCache(1)
	if resumed(server, sessions) || !resumed(clone, sessions) {
		t.Fatal("the clone does not open the tickets of its original")
	}
	server.SetSessionTicketKeys([][32]byte{{2}})
	if !resumed(clone, sessions) {
		t.Error("new keys of the original have reached the clone")
	}
	if resumed(server, sessions) {
		t.Error("the original opens tickets of a key that it was told to forget")
	}
}
