package http1

import (
	"io"
	"strings"
	"testing"

	"casbah/engine"
	"casbah/route"
)

// A server that ends its TLS without the word for it has ended a response whose
// length tells that it is whole; one that lasts to the end of the connection may
// be cut off by anybody, and its client is told by a reset (RFC 9112, Section 9.8).
func TestEndWithoutTheWordOfTLS(t *testing.T) {
	for _, tt := range []struct {
		name, response string
		end            route.End
		how            engine.How
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmail", route.EndDone, engine.Flush},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmail\r\n0\r\n\r\n", route.EndDone, engine.Flush},
		{"to-the-end", "HTTP/1.1 200 OK\r\n\r\nmail", route.EndServer, engine.Reset},
		{"amid-length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nmail", route.EndServer, engine.Flush},
	} {
		s := newSite(t)
		f := s.open(t)
		f.fromClient(getOWA)
		f.reply(tt.response)
		client := f.client()
		f.end(f.last(), io.ErrUnexpectedEOF)
		if r := s.record(t); r.End != tt.end || client.closed != (tt.end != route.EndDone) || client.closed && client.how != tt.how {
			t.Errorf("%s: record %v; client closed: %v, %v; want %v, %v", tt.name, r.End, client.closed, client.how, tt.end, tt.how)
		}
		if got := client.take(); !strings.HasSuffix(got, tt.response[len("HTTP/1.1 200 OK\r\n"):]) {
			t.Errorf("%s: the client got %q", tt.name, got)
		}
		s.idle(t)
	}
}

// A client that ends so has gone: what it asked for completely is given up, as
// with a reset; it can take no answer.
func TestClientEndsWithoutTheWordOfTLS(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(getOWA)
	f.end(f.client(), io.ErrUnexpectedEOF)
	if r := s.record(t); r.End != route.EndClient || !f.last().closed {
		t.Errorf("record %v; the server's connection is closed: %v", r.End, f.last().closed)
	}
	s.idle(t)
}
