package http1

import (
	"strings"
	"testing"

	"casbah/engine"
	"casbah/route"
)

func TestStrictRequestFraming(t *testing.T) {
	tests := []struct{ name, fields string }{
		{"both", "Content-Length: 3\r\nTransfer-Encoding: chunked"},
		{"both-other-order", "Transfer-Encoding: chunked\r\nContent-Length: 3"},
		{"lengths-differ", "Content-Length: 3\r\nContent-Length: 4"},
		{"lengths-equal", "Content-Length: 3\r\nContent-Length: 3"},
		{"length-list", "Content-Length: 3, 3"},
		{"length-empty", "Content-Length:"},
		{"length-plus", "Content-Length: +3"},
		{"length-minus", "Content-Length: -3"},
		{"length-hex", "Content-Length: 0x3"},
		{"length-space", "Content-Length: 3 3"},
		{"length-huge", "Content-Length: 9223372036854775808"},
		{"length-longer", "Content-Length: 00000000000000000003"},
		{"coding-gzip", "Transfer-Encoding: gzip"},
		{"coding-not-last", "Transfer-Encoding: chunked, gzip"},
		{"coding-before", "Transfer-Encoding: gzip, chunked"},
		{"coding-twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"},
		{"coding-identity", "Transfer-Encoding: identity"},
		{"coding-tab", "Transfer-Encoding:\x0bchunked"},
		{"coding-quoted", "Transfer-Encoding: \"chunked\""},
		{"coding-parameter", "Transfer-Encoding: chunked;a=b"},
		{"space-before-colon", "Content-Length : 3"},
		{"fold", "A: b\r\n c"},
		{"bare-lf", "A: b\nContent-Length: 3"},
		{"bare-cr", "A: b\rContent-Length: 3"},
		{"nul", "A: b\x00c"},
		{"no-colon", "Abc"},
		{"no-name", ": b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\n" + tt.fields + "\r\n\r\nabc")
			refused(t, s, f, 400, route.CauseHead)
			if len(f.log) != 0 || !f.client().closed {
				t.Errorf("%d dials, closed %v; want none, closed", len(f.log), f.client().closed)
			}
		})
	}
	t.Run("coding-in-1.0", func(t *testing.T) {
		s := newSite(t)
		f := s.open(t)
		f.fromClient("POST /owa HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
		refused(t, s, f, 400, route.CauseHead)
	})
}

func TestRequestBodies(t *testing.T) {
	const head = "POST /owa HTTP/1.1\r\nHost: a\r\n"
	tests := []struct{ name, fields, body string }{
		{"none", "", ""},
		{"zero", "Content-Length: 0\r\n", ""},
		{"length", "Content-Length: 5\r\n", "hello"},
		{"length-padded", "Content-Length: 005\r\n", "hello"},
		{"chunked", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"},
		{"chunked-case", "transfer-encoding: Chunked\r\n", "5;a=b\r\nhello\r\n00\r\nX: y\r\n\r\n"},
		{"long", "Content-Length: 100000\r\n", strings.Repeat("0123456789", 10000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			f := s.open(t)
			f.fromClient(head + tt.fields + "\r\n" + tt.body + get)
			want(t, "server got", f.last().take(), forwarded(head+tt.fields+"\r\n")+tt.body)
			f.reply(ok)
			want(t, "second request", f.last().take(), forwarded(get))
			if r := s.records[0]; r.In != int64(len(head+tt.fields)+2+len(tt.body)) {
				t.Errorf("in = %d", r.In)
			}
		})
	}
}

func TestFirstBodyOctetLeavesAtOnce(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	const head = "RPC_IN_DATA /rpc/rpcproxy.dll?cas:6001 HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n"
	f.fromClient(head)
	f.fromClient("\x05")
	want(t, "server got", f.last().take(), forwarded(head)+"\x05")
	f.fromClient("\x00")
	want(t, "server got", f.last().take(), "\x00")
}

func TestMalformedChunkEndsEverything(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient("POST /owa HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	f.last().take()
	f.fromClient("5\nworld\r\n0\r\n\r\n" + get)
	refused(t, s, f, 400, route.CauseBody)
	want(t, "server got", f.last().take(), "")
	if l := f.last(); !l.closed || l.how != engine.Reset {
		t.Errorf("the server's connection was not reset: %+v", l)
	}
	if !f.client().closed {
		t.Error("client not closed")
	}
}
