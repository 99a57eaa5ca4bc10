package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// A client that takes back request after request loses its connection, and others
// do not notice (CVE-2023-44487).
func TestHTTP2RapidReset(t *testing.T) {
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		wait := func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/owa/" {
				<-r.Context().Done()
			}
		}
		serve(wait)
		f := r.frames("127.0.0.2")
		defer f.Close()
		go func() { _, _ = io.Copy(io.Discard, f) }()
		var err error
		for id := uint32(1); id < 1<<20 && err == nil; id += 2 {
			f.headers(id, "/owa/", true)
			err = f.frame(3, 0, id, []byte{0, 0, 0, 8}) // RST_STREAM, CANCEL
		}
		if err == nil {
			t.Error("a million resets, and the connection is still open")
		}
		r.until("all is over", func() bool { return r.node.Status().Connections == 0 })
		if resp, _ := r.http2("127.0.0.3").fetch("GET", "/owa/quick"); resp.StatusCode != http.StatusOK {
			t.Errorf("another client: %s", resp.Status)
		}
	}, setup{})
}

// framed is a connection of HTTP/2 whose frames are written by hand.
type framed struct{ *tls.Conn }

func (r *rig) frames(source string) framed {
	r.t.Helper()
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	conn, err := tls.DialWithDialer(d, "tcp", r.tls, &tls.Config{RootCAs: r.roots, ServerName: "localhost", NextProtos: []string{"h2"}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	f := framed{conn}
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		r.t.Fatal(err)
	}
	if err := f.frame(4, 0, 0, nil); err != nil { // SETTINGS
		r.t.Fatal(err)
	}
	return f
}

// frame writes a frame (RFC 9113, Section 4.1).
func (f framed) frame(kind, flags byte, stream uint32, payload []byte) error {
	n := len(payload)
	head := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)}
	_, err := f.Write(append(head, payload...))
	return err
}

// headers writes the head of a GET. An error is that of the next frame, too.
func (f framed) headers(stream uint32, path string, ends bool) {
	block := []byte{0x82, 0x87, 0x04, byte(len(path))} // :method GET, :scheme https, :path
	block = append(block, path...)
	block = append(block, 0x01, 9)
	block = append(block, "localhost"...)
	flags := byte(4) // END_HEADERS
	if ends {
		flags |= 1
	}
	_ = f.frame(1, flags, stream, block)
}

// A connection of HTTP/2 counts as one to limits, whatever it carries.
func TestHTTP2CountsAsOneConnection(t *testing.T) {
	newHTTP2(t, func(t *testing.T, r *rig) {
		c := r.http2("127.0.0.2")
		c.fetch("GET", "/owa/healthcheck.htm") // a client that has no connection yet may open one for each request
		var work sync.WaitGroup
		for range 50 {
			work.Go(func() {
				if resp, _, err := c.tryFetch("GET", "/owa/healthcheck.htm", nil); err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("%v, %v", resp, err)
				}
			})
		}
		work.Wait()
		if s := r.node.Status(); s.Connections != 1 {
			t.Errorf("%d connections; want one", s.Connections)
		}
		second := r.client("127.0.0.2")
		second.fetch("GET", "/owa/healthcheck.htm")
		if _, _, err := r.http2("127.0.0.2").tryFetch("GET", "/owa/healthcheck.htm", nil); err == nil {
			t.Error("a third connection from the address is let in; per_source is 2")
		}
		if n := r.vipStatus("tls").Refused["source_limit"]; n == 0 {
			t.Error("no refusal is counted")
		}
	}, setup{extra: "[limits]\nper_source = 2\n"})
}

// literal is a field of a head that is not indexed, its value of n octets.
func literal(n int) []byte {
	if n > 126 {
		panic("longer than one octet says")
	}
	return append([]byte{0, 1, 'x', byte(n)}, make([]byte, n)...)
}

// flooded sends frames, that next makes, until casbah ends the connection. The
// answers are not read. It fails after 64 MiB.
func (f framed) flooded(t *testing.T, next func(i int) error) {
	t.Helper()
	_ = f.SetWriteDeadline(time.Now().Add(patience))
	for i := range 1 << 22 {
		err := next(i)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatal("casbah neither reads on nor ends the connection")
		default:
			return
		}
	}
	t.Error("four million frames, and the connection is still open")
}

// What floods the framing, and does not ask for anything, ends its connection in a
// bounded time and in bounded memory; others go on.
func TestHTTP2Floods(t *testing.T) {
	block := bytes.Repeat(literal(100), 100)
	for i := range block {
		if block[i] == 0 && i%104 > 3 {
			block[i] = 'v'
		}
	}
	head := append([]byte{0x82, 0x87, 0x84, 0x01, 9}, "localhost"...)
	for _, tt := range []struct {
		name string
		next func(f framed, i int) error
	}{
		{"ping", func(f framed, _ int) error { return f.frame(6, 0, 0, make([]byte, 8)) }},
		{"settings", func(f framed, i int) error {
			if i > 1<<17 {
				return io.EOF // of the answers one waits at a time: it costs no memory
			}
			return f.frame(4, 0, 0, nil)
		}},
		{"continuation", func(f framed, i int) error { // CVE-2023-45288
			if i == 0 {
				return f.frame(1, 1, 1, head) // HEADERS that do not end
			}
			return f.frame(9, 0, 1, block)
		}},
		{"empty-continuation", func(f framed, i int) error {
			if i == 0 {
				return f.frame(1, 1, 1, head)
			}
			if i > 1<<16 {
				return io.EOF // harmless: it costs its sender more
			}
			return f.frame(9, 0, 1, nil)
		}},
		{"window", func(f framed, _ int) error { return f.frame(8, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			newHTTP2(t, func(t *testing.T, r *rig) {
				f := r.frames("127.0.0.2")
				f.flooded(t, func(i int) error { return tt.next(f, i) })
				_ = f.Close()
				r.until("all is over", func() bool { return r.node.Status().Connections == 0 })
				if resp, _ := r.http2("127.0.0.3").fetch("GET", "/owa/healthcheck.htm"); resp.StatusCode != http.StatusOK {
					t.Errorf("another client: %s", resp.Status)
				}
			}, setup{})
		})
	}
}

// A head that is too long is refused and recorded as one of HTTP/1.1; one that is
// far too long is refused before it is unpacked.
func TestHTTP2LongHeads(t *testing.T) {
	newHTTP2(t, func(t *testing.T, r *rig) {
		c := r.http2("127.0.0.2")
		for _, n := range []int{70 << 10, 200 << 10} {
			if resp, _, err := c.tryFetch("GET", "/owa/healthcheck.htm", nil, "X-Long", strings.Repeat("v", n)); err == nil && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%d octets: %s", n, resp.Status)
			}
		}
		if resp, _ := c.fetch("GET", "/owa/healthcheck.htm"); resp.StatusCode != http.StatusOK {
			t.Errorf("%s", resp.Status)
		}
		if n := r.vipStatus("tls").Refused["head"]; n != 1 {
			t.Errorf("%d heads refused; want one, the core's", n)
		}
	}, setup{})
}

// A connection on which nothing is asked ends, be it that its client has not even
// said that it speaks HTTP/2.
func TestHTTP2IdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	const site = "[profile.site]\nprotocol = \"http\"\npaths = [\"/site\"]\nauth = [\"forms\"]\nidle_timeout = \"1s\"\nchain = [{ by = \"none\" }]\n[profile.site.probe]\nkind = \"none\"\n"
	newHTTP2(t, func(t *testing.T, r *rig) {
		c := r.http2("127.0.0.2")
		c.fetch("GET", "/nowhere")
		d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}
		mute, err := tls.DialWithDialer(d, "tcp", r.tls, &tls.Config{RootCAs: r.roots, ServerName: "localhost", NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer mute.Close()
		half := r.frames("127.0.0.2")
		if _, err := half.Write([]byte{0, 0, 9}); err != nil { // of a frame, and no more
			t.Fatal(err)
		}
		r.until("all are gone", func() bool { return r.node.Status().Connections == 0 })
	}, setup{profiles: `"site"`, extra: site})
}

// The client that a PROXY header names is the client of each stream.
func TestHTTP2BehindAProxy(t *testing.T) {
	overHTTP2(t, func(t *testing.T, r *rig, serve func(http.HandlerFunc)) {
		serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Seen", strings.Join(r.Header["X-Forwarded-For"], "|"))
		})
		c := r.http2("127.0.0.2")
		tr := c.Transport.(*http.Transport)
		direct := tr.DialContext
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := direct(ctx, network, addr)
			if err == nil {
				_, err = io.WriteString(conn, "PROXY TCP4 203.0.113.7 192.0.2.10 40000 443\r\n")
			}
			return conn, err
		}
		for range 3 {
			if resp, _ := c.fetch("GET", "/owa/"); resp.ProtoMajor != 2 || resp.Header.Get("X-Seen") != "203.0.113.7" {
				t.Errorf("%s: the server sees %q", resp.Proto, resp.Header.Get("X-Seen"))
			}
		}
	}, setup{https: "accept_proxy_from = [\"127.0.0.0/8\"]\n"})
}
