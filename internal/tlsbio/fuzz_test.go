package tlsbio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/cryptotest"
	"time"
)

// outcome is all that can be seen of a connection from outside.
type outcome struct {
	done, whole bool
	err         string
	plain, out  []byte
}

// FuzzServer feeds octets to a server, at once and in pieces whose lengths the
// fuzzer chooses. With damage the octets change and extend what a client sends
// after its handshake; otherwise they are all that comes. What is read, what is
// sent and how it ends must not depend on the pieces, and nothing may be left.
func FuzzServer(f *testing.F) {
	hello := clientHello(f)
	for _, damage := range []bool{false, true} {
		f.Add([]byte{}, []byte{}, damage)
		f.Add(hello, []byte{1, 2, 3, 255}, damage)
		f.Add(append(bytes.Clone(hello), someRecords...), []byte{0}, damage)
		f.Add(make([]byte, 10), []byte{9}, damage)                       // no damage at all
		f.Add(append(make([]byte, 8), 1), []byte{}, damage)              // a flipped bit
		f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte{3}, damage)       // not TLS
		f.Add([]byte("\x16\x03\x01\x40\x00\x01\xff"), []byte{1}, damage) // a long message, cut
		f.Add(bytes.Repeat([]byte("\x14\x03\x03\x00\x01\x01"), 40), []byte{2}, damage)
	}
	f.Fuzz(func(t *testing.T, in, pieces []byte, damage bool) {
		if len(in) > 1<<17 {
			t.Skip("longer than anything that makes a difference")
		}
		for _, version := range versions {
			before := runtime.NumGoroutine()
			at := observe(t, version, in, nil, damage)
			if got := observe(t, version, in, pieces, damage); got.String() != at.String() {
				t.Errorf("in pieces: %v\nat once:   %v", got, at)
			}
			if after := runtime.NumGoroutine(); after > before {
				t.Fatalf("%d goroutines are left", after-before)
			}
			if len(at.out) > 1<<14 {
				t.Errorf("%d octets answer %d", len(at.out), len(in))
			}
		}
	})
}

// fuzzTime is within the life of the certificates, and stands still.
var fuzzTime = time.Now()

func (o outcome) String() string {
	return fmt.Sprintf("done %v, whole %v, %s, read %x, sent %x", o.done, o.whole, o.err, o.plain, o.out)
}

// clientHello is what a client of any version begins with.
func clientHello(tb testing.TB) []byte {
	tb.Helper()
	p := newPair(tb, clientConfig(), serverConfig(tls.VersionTLS13))
	p.client.Handshake()
	return p.up.take()
}

// observe plays the input to a server whose random octets are always the same.
func observe(t *testing.T, version uint16, in, pieces []byte, damage bool) outcome {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 1)
	server, client := serverConfig(version), clientConfig()
	server.Time = func() time.Time { return fuzzTime }
	server.SetSessionTicketKeys([][32]byte{{1}})
	p := newPair(t, client, server)
	defer p.client.Close()
	defer p.server.Close()
	if damage {
		p.shake(t)
		write(t, p.client, "first")
		write(t, p.client, "second")
		p.client.CloseWrite()
		in = xor(p.up.take(), in)
	}
	var o outcome
	for len(in) > 0 {
		n := len(in)
		if len(pieces) > 0 {
			n = min(n, 1+int(pieces[0]))
			pieces = pieces[1:]
		}
		p.server.Feed(in[:n])
		in = in[n:]
		o.step(t, p.server)
	}
	o.whole = p.server.Whole()
	p.server.FeedEnd()
	o.step(t, p.server)
	if p.server.inErr == nil {
		t.Error("the connection goes on after a FIN")
	}
	o.done, o.out = p.server.Done(), p.down.b
	return o
}

// step does what can be done, until more input is needed.
func (o *outcome) step(t *testing.T, c *Conn) {
	t.Helper()
	done, err := c.Handshake()
	buf := make([]byte, 3)
	for done && err == nil {
		var n int
		if n, err = c.Read(buf); err == nil {
			o.plain = append(o.plain, buf[:n]...)
		}
	}
	if err != nil && !errors.Is(err, ErrAgain) {
		o.err = err.Error()
	}
	if len(c.in) != 0 {
		t.Errorf("%d octets are kept", len(c.in))
	}
}

// xor changes the bits of b that are set in mask, which may go on after it.
func xor(b, mask []byte) []byte {
	for i, m := range mask {
		if i == len(b) {
			return append(b, mask[i:]...)
		}
		b[i] ^= m
	}
	return b
}
