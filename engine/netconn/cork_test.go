package netconn

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"casbah/engine/enginetest"
)

// counted counts the writes to a connection.
type counted struct {
	net.Conn
	mu     sync.Mutex
	writes []int
}

func (c *counted) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, len(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// TestCork writes the records of one Write together, as far as its buffer goes,
// and holds nothing back.
func TestCork(t *testing.T) {
	a, b := net.Pipe()
	under := &counted{Conn: b}
	w := &wire{sock: newSocket(under)}
	cfg := enginetest.ServerTLS()
	cfg.DynamicRecordSizingDisabled = true
	w.secure(tls.Server, cfg)
	peer := tls.Client(a, enginetest.ClientTLS())
	var shaking sync.WaitGroup
	shaking.Go(func() { _ = peer.Handshake() })
	if err := w.tls.Handshake(); err != nil {
		t.Fatal(err)
	}
	shaking.Wait()
	for _, tt := range []struct{ octets, writes int }{{1, 1}, {16 << 10, 1}, {64 << 10, 1}, {200 << 10, 4}} {
		under.writes = nil
		s := strings.Repeat("x", tt.octets)
		done := make(chan struct{})
		go func() {
			enginetest.Expect(t, peer, s)
			close(done)
		}()
		if _, err := w.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		<-done
		if len(under.writes) != tt.writes {
			t.Errorf("%d octets went in writes of %v; want %d", tt.octets, under.writes, tt.writes)
		}
	}
	go w.closeWrite()
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // an end is this very value
		t.Errorf("Read() = %v after close_notify; want EOF", err)
	}
	_ = a.Close()
	_ = b.Close()
}
