package tlsbio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// TestEcho moves octets both ways, in records smaller and larger than the
// buffer that reads them.
func TestEcho(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		p := established(t, version)
		for _, size := range []int{1, 999, 1000, 1001, 1 << 14, 1<<14 + 1, 100_000} {
			text := strings.Repeat("x", size)
			write(t, p.client, text)
			wantRead(t, p.server, &p.up, text, ErrAgain)
			write(t, p.server, text)
			wantRead(t, p.client, &p.down, text, ErrAgain)
		}
		if err := p.server.Write(nil); err != nil || len(p.down.b) != 0 {
			t.Errorf("Write(nil) = %v and %d octets; want nothing", err, len(p.down.b))
		}
	})
}

// TestReadInPieces feeds one octet at a time: nothing comes before its record
// is whole, and nothing is kept here meanwhile.
func TestReadInPieces(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		p := established(t, version)
		write(t, p.client, "one")
		first := len(p.up.b)
		write(t, p.client, "two")
		var got []byte
		buf := make([]byte, 10)
		for i, octet := range p.up.take() {
			p.server.Feed([]byte{octet})
			n, err := p.server.Read(buf)
			got = append(got, buf[:n]...)
			if n == 0 && !errors.Is(err, ErrAgain) {
				t.Fatalf("octet %d: %v", i, err)
			}
			want := ""
			if i >= first-1 {
				want = "one"
			}
			if i >= 2*first-1 {
				want = "onetwo"
			}
			if string(got) != want || len(p.server.in) != 0 {
				t.Fatalf("after octet %d of 2 x %d: got %q, %d kept; want %q, none", i, first, got, len(p.server.in), want)
			}
			if whole := (i+1)%first == 0; p.server.Whole() != whole {
				t.Fatalf("after octet %d of 2 x %d: Whole() = %v", i, first, !whole)
			}
		}
	})
}

// TestWholeCountsUnread: Whole is about what was fed, read or not.
func TestWholeCountsUnread(t *testing.T) {
	p := established(t, tls.VersionTLS13)
	write(t, p.client, "text")
	record := p.up.take()
	p.server.Feed(record)
	if !p.server.Whole() {
		t.Error("a whole record is none before it is read")
	}
	p.server.Feed(record[:7])
	if p.server.Whole() {
		t.Error("a part of a record is whole before it is read")
	}
	p.server.Feed(record[7:])
	if _, err := p.server.Read(make([]byte, 10)); err != nil || !p.server.Whole() {
		t.Errorf("Read() = %v, Whole() = %v after two records", err, p.server.Whole())
	}
	if _, err := readAll(p.server, &queue{}); err == nil || p.server.Whole() { // a replay
		t.Errorf("Read() = %v, Whole() = %v after a failure", err, p.server.Whole())
	}
}

// TestSpent: what was fed is spent once it is read, to the end of a record.
func TestSpent(t *testing.T) {
	for _, tt := range []struct {
		name       string
		room, part int // octets of the read, and of a record behind the one that is read
		want       bool
	}{
		{"read", 10, 0, true},
		{"read-exactly", 4, 0, true},
		{"rest-of-text", 3, 0, false},
		{"part-behind", 10, 7, false},
		{"part-behind-exactly", 4, 7, false},
		{"record-behind", 4, 1 << 10, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := established(t, tls.VersionTLS12)
			write(t, p.client, "text")
			in := p.up.take()
			write(t, p.client, "more")
			next := p.up.take()
			p.server.Feed(append(in, next[:min(tt.part, len(next))]...))
			if _, err := p.server.Read(make([]byte, tt.room)); err != nil {
				t.Fatal(err)
			}
			if got := p.server.Spent(); got != tt.want {
				t.Errorf("Spent() = %v", got)
			}
		})
	}
}

// TestKeep lets the memory of one Feed be used again, with much left or little.
func TestKeep(t *testing.T) {
	p := established(t, tls.VersionTLS13)
	var want string
	for _, text := range []string{"first", strings.Repeat("y", 30_000), "last"} {
		write(t, p.client, text)
		want += text
	}
	scratch := make([]byte, 700)
	feed := func(in []byte) {
		n := copy(scratch, in)
		p.server.Feed(scratch[:n])
		p.server.Keep()
		clear(scratch)
	}
	for in := p.up.take(); len(in) > 0; in = in[min(len(in), len(scratch)):] {
		feed(in)
	}
	wantRead(t, p.server, &queue{}, want, ErrAgain)
	if p.server.in != nil {
		t.Error("memory is held after all was read")
	}
}

// TestFeedAppends adds to what is left, and not in the memory of the caller.
func TestFeedAppends(t *testing.T) {
	p := established(t, tls.VersionTLS13)
	for cut := range 20 {
		write(t, p.client, "more")
		in := p.up.take()
		lent := bytes.Clone(in[:cut])
		lent = append(lent, make([]byte, len(in))...)
		want := bytes.Clone(lent)
		p.server.Feed(lent[:cut])
		p.server.Feed(in[cut:])
		if !bytes.Equal(lent, want) {
			t.Fatalf("Feed writes into what was lent: %x; want %x", lent, want)
		}
		if cut > 0 {
			clear(in) // it was copied, behind the rest
		}
		wantRead(t, p.server, &queue{}, "more", ErrAgain)
	}
}

// TestCloseNotify ends both directions, one after the other.
func TestCloseNotify(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		p := established(t, version)
		write(t, p.client, "last words")
		p.client.CloseWrite()
		p.client.CloseWrite() // once is enough
		if err := p.client.Write([]byte("more")); err == nil {
			t.Error("Write after CloseWrite succeeds")
		}
		wantRead(t, p.server, &p.up, "last words", io.EOF)
		wantRead(t, p.server, &p.up, "", io.EOF)

		write(t, p.server, "answer") // the other direction is open
		p.server.CloseWrite()
		wantRead(t, p.client, &p.down, "answer", io.EOF)

		// What comes after the end is dropped, whether there is a FIN or not.
		p.server.Feed([]byte("rubbish"))
		p.server.FeedEnd()
		wantRead(t, p.server, &p.up, "", io.EOF)
		if p.server.in != nil {
			t.Error("octets after close_notify are kept")
		}
	})
}

// TestTruncation ends the stream at a boundary of records and within one.
func TestTruncation(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		for _, cut := range []int{0, 1, 4, 5, 6, 20} {
			p := established(t, version)
			write(t, p.client, "told")
			told := p.up.take()
			write(t, p.client, "cut")
			p.up.b = append(told, p.up.b[:cut]...)
			p.server.FeedEnd()
			wantRead(t, p.server, &p.up, "told", io.ErrUnexpectedEOF)
			wantRead(t, p.server, &p.up, "", io.ErrUnexpectedEOF)

			write(t, p.server, "still open") // a half-close
			p.server.CloseWrite()
			wantRead(t, p.client, &p.down, "still open", io.EOF)
		}
	})
}

// TestBrokenRecords: a record that does not open breaks the connection for
// good, and the peer is told.
func TestBrokenRecords(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(record []byte) []byte
	}{
		{"flipped-bit", func(r []byte) []byte { r[len(r)-1] ^= 1; return r }},
		{"wrong-version", func(r []byte) []byte { r[1] = 9; return r }},
		{"too-long", func(r []byte) []byte { r[3], r[4] = 0xff, 0xff; return r }},
		{"too-short", func(r []byte) []byte { return append([]byte{23, 3, 3, 0, 1}, r...) }},
		{"unknown-type", func(r []byte) []byte { r[0] = 99; return r }},
		{"repeated", func(r []byte) []byte { return append(r, r...) }},
		{"plain-text", func([]byte) []byte { return []byte("GET / HTTP/1.1\r\nHost: " + hostname + "\r\n\r\n") }},
	}
	forVersions(t, func(t *testing.T, version uint16) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := established(t, version)
				write(t, p.client, "text")
				p.up.b = tt.spoil(p.up.b)
				_, err := readAll(p.server, &p.up)
				if err == nil || errors.Is(err, ErrAgain) || errors.Is(err, io.EOF) {
					t.Fatalf("Read() = %v; want it to fail", err)
				}
				p.server.Feed([]byte("more"))
				if _, again := p.server.Read(make([]byte, 1)); again != err || p.server.in != nil { //nolint:errorlint // the very same
					t.Errorf("second Read() = %v; want %v, and nothing kept", again, err)
				}
				alert := len(p.down.b)
				p.server.CloseWrite()                                                                                           // says nothing after the alert
				if first, second := p.server.Write([]byte("x")), p.server.Write([]byte("x")); first == nil || first != second { //nolint:errorlint // the very same
					t.Errorf("Write() = %v, then %v; want one error", first, second)
				}
				if alert == 0 || len(p.down.b) != alert {
					t.Errorf("%d octets of alert, then %d; want some, and the same", alert, len(p.down.b))
				}
				_, err = readAll(p.client, &p.down)
				if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "remote error" {
					t.Errorf("the peer reads %v; want a remote error", err)
				}
			})
		}
	})
}

// TestTooEarly calls what works after the handshake before it.
func TestTooEarly(t *testing.T) {
	p := newPair(t, clientConfig(), serverConfig(tls.VersionTLS13))
	check := func(when string, c *Conn) {
		t.Helper()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, errEarly) {
			t.Errorf("%s: Read() = %v; want %v", when, err, errEarly)
		}
		if err := c.Write([]byte("x")); !errors.Is(err, errEarly) {
			t.Errorf("%s: Write() = %v; want %v", when, err, errEarly)
		}
		if s := c.State(); s.Version != 0 || c.Done() {
			t.Errorf("%s: State().Version = %x, Done() = %v", when, s.Version, c.Done())
		}
		c.CloseWrite() // does nothing
	}
	check("new client", p.client)
	check("new server", p.server)
	if done, err := p.client.Handshake(); done || err != nil {
		t.Fatal(done, err)
	}
	hello := len(p.up.b)
	check("parked client", p.client)
	if len(p.up.b) != hello || len(p.down.b) != 0 {
		t.Error("something was sent too early")
	}
	p.shake(t) // none of this did harm
}

// TestClosed calls everything after Close, which sends nothing and holds nothing.
func TestClosed(t *testing.T) {
	forVersions(t, func(t *testing.T, version uint16) {
		p := established(t, version)
		write(t, p.client, "text")
		p.server.Feed(p.up.take())
		p.server.Close()
		p.server.Close()
		p.server.Feed([]byte("more"))
		p.server.FeedEnd()
		if p.server.in != nil {
			t.Error("input is held after Close")
		}
		if _, err := p.server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read() = %v; want %v", err, net.ErrClosed)
		}
		if err := p.server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write() = %v; want %v", err, net.ErrClosed)
		}
		if done, err := p.server.Handshake(); done || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Handshake() = %v, %v; want %v", done, err, net.ErrClosed)
		}
		p.server.CloseWrite()
		if len(p.down.b) != 0 {
			t.Error("something was sent after Close")
		}
	})
}
