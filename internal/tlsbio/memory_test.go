package tlsbio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// latest is a sink that keeps what it took last, without allocations.
type latest struct{ b []byte }

func (l *latest) Sealed(p []byte) { l.b = append(l.b[:0], p...) }

// nowhere is a sink that keeps nothing.
type nowhere struct{}

func (nowhere) Sealed([]byte) {}

// TestAllocations holds Read and Write to what crypto/tls allocates by itself,
// which is nothing but a small reader per record that it reads.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector empties the pools of crypto/tls")
	}
	forVersions(t, func(t *testing.T, version uint16) {
		text, buf := make([]byte, 1024), make([]byte, 4096)
		bare, under, from := scriptedServer(t, version)
		var up latest
		from.client.out = &up
		want := allocs(t, func() error {
			from.client.Write(text)
			under.in.Write(up.b)
			_, err := bare.Read(buf)
			return err
		})

		p := established(t, version)
		p.client.out, p.server.out = &up, nowhere{}
		got := allocs(t, func() error {
			p.client.Write(text)
			p.server.Feed(up.b)
			_, err := p.server.Read(buf)
			return err
		})
		if got > want || got > 1 {
			t.Errorf("Write and Read allocate %v times; those of a tls.Conn %v times", got, want)
		}
		if n := allocs(t, func() error { return p.server.Write(text) }); n != 0 {
			t.Errorf("Write allocates %v times", n)
		}
		if n := allocs(t, func() error {
			if _, err := p.server.Read(buf); !errors.Is(err, ErrAgain) {
				return err
			}
			return nil
		}); n != 0 {
			t.Errorf("a Read without input allocates %v times", n)
		}
	})
}

// allocs is testing.AllocsPerRun for what must not fail, after buffers grew.
func allocs(t *testing.T, f func() error) float64 {
	t.Helper()
	var failed error
	n := testing.AllocsPerRun(200, func() {
		if err := f(); err != nil {
			failed = err
		}
	})
	if failed != nil {
		t.Fatal(failed)
	}
	return n
}

// TestIdleMemory bounds the heap that a server's connection holds after its
// handshake and one exchange. What crypto/tls holds depends on the longest
// message of the client and on the longest record; see the package comment.
func TestIdleMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector needs memory of its own")
	}
	const conns = 500
	tests := []struct {
		name    string
		version uint16 // of the client
		curves  []tls.CurveID
		request int // octets
		want    int // octets per connection
	}{
		{"1.2", tls.VersionTLS12, nil, 400, 4600},
		{"1.3-P256", tls.VersionTLS13, []tls.CurveID{tls.CurveP256}, 400, 4400},
		{"1.3-MLKEM", tls.VersionTLS13, []tls.CurveID{tls.X25519MLKEM768}, 400, 7 << 10},
		{"1.3-upload", tls.VersionTLS13, []tls.CurveID{tls.CurveP256}, 200_000, 22_300},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server, client := serverConfig(tt.version), clientConfig()
			server.MinVersion, server.MaxVersion = tls.VersionTLS12, 0
			client.MaxVersion, client.CurvePreferences = tt.version, tt.curves
			servers := make([]*Conn, conns)
			request := strings.Repeat("x", tt.request)
			before := heap()
			for i := range servers {
				servers[i] = served(t, client, server, request)
			}
			got := int(heap()-before) / conns
			t.Logf("%d octets per connection", got)
			if got > tt.want {
				t.Errorf("an idle connection holds %d octets; want at most %d", got, tt.want)
			}
			for _, c := range servers {
				if c.State().Version != tt.version {
					t.Fatalf("version %x; want %x", c.State().Version, tt.version)
				}
			}
		})
	}
}

// heap is what is in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first leaves pools to the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// served returns a server that has read a request, in segments, and answered it.
// The client is garbage.
func served(t *testing.T, client, server *tls.Config, request string) *Conn {
	t.Helper()
	p := new(pair)
	p.client, p.server = Client(client, &p.up, serverAddr, clientAddr), Server(server, &p.down, clientAddr, serverAddr)
	p.shake(t)
	p.server.out = nowhere{}
	write(t, p.client, request)
	buf := make([]byte, 4096)
	got := 0
	for segment := range slices.Chunk(p.up.take(), 1460) {
		p.server.Feed(segment)
		for {
			n, err := p.server.Read(buf)
			if got += n; errors.Is(err, ErrAgain) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if got != len(request) {
		t.Fatalf("read %d octets of %d", got, len(request))
	}
	write(t, p.server, "answer")
	return p.server
}

// TestInputIsBounded: a peer that sends more and more without an end to its
// handshake is refused, and what is kept meanwhile is bounded.
func TestInputIsBounded(t *testing.T) {
	goroutines(t)
	fragment := append([]byte{22, 3, 1, 0x40, 0}, make([]byte, 1<<14)...)
	message := bytes.Clone(fragment)
	copy(message[recordHeader:], "\x01\xff\xff\xff") // a ClientHello of 16 MB
	p := newPair(t, clientConfig(), serverConfig(tls.VersionTLS13))
	p.client.Handshake()
	hello := p.up.take()
	tests := []struct {
		name        string
		first, then []byte
	}{
		{"long-message", message, fragment},
		{"empty-records", []byte{22, 3, 1, 0, 0}, []byte{22, 3, 1, 0, 0}},
		{"change-cipher-specs", hello, []byte("\x14\x03\x03\x00\x01\x01")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Server(serverConfig(tls.VersionTLS13), &queue{}, clientAddr, serverAddr)
			defer c.Close()
			c.Feed(tt.first)
			_, err := c.Handshake()
			for range 20 {
				if err != nil {
					return
				}
				c.Feed(tt.then)
				_, err = c.Handshake()
				if len(c.in) != 0 {
					t.Fatalf("%d octets are kept", len(c.in))
				}
			}
			t.Error("no end")
		})
	}
	p.client.Close()
}
