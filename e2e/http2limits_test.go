package e2e

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
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
		if resp, _ := r.http2("127.0.0.3").fetch("GET", "/owa/quick", nil); resp.StatusCode != http.StatusOK {
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
		c.fetch("GET", "/owa/healthcheck.htm", nil) // a client that has no connection yet may open one for each request
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
		second.fetch("GET", "/owa/healthcheck.htm", nil)
		if _, _, err := r.http2("127.0.0.2").tryFetch("GET", "/owa/healthcheck.htm", nil); err == nil {
			t.Error("a third connection from the address is let in; per_source is 2")
		}
		if n := r.vipStatus("tls").Refused["source_limit"]; n == 0 {
			t.Error("no refusal is counted")
		}
	}, setup{extra: "[limits]\nper_source = 2\n"})
}
