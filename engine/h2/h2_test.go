package h2

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestRender(t *testing.T) {
	const line, host = "GET /owa/ HTTP/1.1\r\n", "Host: mail.example.org\r\n"
	for _, tt := range []struct {
		name, method, path, authority, fields string
		length                                int64
		want                                  string // empty: it is refused
	}{
		{"plain", "GET", "/owa/", "mail.example.org", "user-agent: x", 0, line + host + "User-Agent: x\r\n\r\n"},
		{"query", "GET", "/owa/?a=%2f&b", "mail.example.org", "", 0, "GET /owa/?a=%2f&b HTTP/1.1\r\n" + host + "\r\n"},
		{"crumbs", "GET", "/owa/", "mail.example.org", "cookie: a=1\ncookie: b=2; c=3", 0, line + host + "Cookie: a=1; b=2; c=3\r\n\r\n"},
		{"twice", "GET", "/owa/", "mail.example.org", "x: 1\nx: 2", 0, line + host + "X: 1\r\nX: 2\r\n\r\n"},
		{"te", "GET", "/owa/", "mail.example.org", "te: trailers", 0, line + host + "TE: trailers\r\nConnection: TE\r\n\r\n"},
		{"length", "POST", "/owa/", "mail.example.org", "content-length: 5", 5, "POST /owa/ HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\n"},
		{"no-length", "POST", "/owa/", "mail.example.org", "", -1, "POST /owa/ HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n"},
		{"no-body", "POST", "/owa/", "mail.example.org", "", 0, "POST /owa/ HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n"},
		{"host-too", "GET", "/owa/", "mail.example.org", "host: mail.example.org", 0, line + host + "\r\n"},
		{"any", "OPTIONS", "*", "mail.example.org", "", 0, "OPTIONS * HTTP/1.1\r\n" + host + "\r\n"},
		{"octets", "GET", "/owa/", "mail.example.org", "x: \xe9\tb", 0, line + host + "X: \xe9\tb\r\n\r\n"},

		{"other-host", "GET", "/owa/", "mail.example.org", "host: other", 0, ""},
		{"hosts", "GET", "/owa/", "a", "host: a\nhost: a", 0, ""},
		{"no-host", "GET", "/owa/", "", "", 0, ""},
		{"user", "GET", "/owa/", "a@b", "", 0, ""},
		{"connection", "GET", "/owa/", "a", "connection: x", 0, ""},
		{"coding", "POST", "/owa/", "a", "transfer-encoding: chunked", -1, ""},
		{"upgrade", "GET", "/owa/", "a", "upgrade: websocket", 0, ""},
		{"te-gzip", "GET", "/owa/", "a", "te: gzip", 0, ""},
		{"other-length", "POST", "/owa/", "a", "content-length: 5", 6, ""},
		{"length-of-nothing", "GET", "/owa/", "a", "content-length: 5", 0, ""},
		{"lengths", "POST", "/owa/", "a", "content-length: 5\ncontent-length: 5", 5, ""},
		{"sign", "POST", "/owa/", "a", "content-length: +5", 5, ""},
		{"line", "GET", "/owa/", "a", "x: a\x01y: b", 0, ""},
		{"space-before", "GET", "/owa/", "a", "x:  a", 0, ""},
		{"space-behind", "GET", "/owa/", "a", "x: a ", 0, ""},
		{"nul", "GET", "/owa/", "a", "x: a\x00", 0, ""},
		{"colon", "GET", "/owa/", "a", "x:y: a", 0, ""},
		{"method", "GET /x HTTP/1.1\r\nA: b\r\n\r\nGET", "/owa/", "a", "", 0, ""},
		{"target", "GET", "/owa/ HTTP/1.1\r\nA: b\r\nX: ", "a", "", 0, ""},
		{"absolute", "GET", "https://b/owa/", "a", "", 0, ""},
		{"connect", "CONNECT", "/", "a", "", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := render(nil, asked(tt.method, tt.path, tt.authority, tt.fields, tt.length))
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("render() = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// In reads of any size the same request is read, its body in chunks that two
// parsers undo.
func TestRequestInPieces(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 5000)
	for _, size := range []int{1, 2, 9, 10, 11, 64, 4096, 16384} {
		for _, length := range []int64{-1, int64(len(body))} {
			r := asked("POST", "/owa/", "a", "", length)
			r.Body = io.NopCloser(iotest.HalfReader(bytes.NewReader(body)))
			var q request
			q.begin(r)
			got, err := http.ReadRequest(newReader(&q, size))
			if err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
			text, err := io.ReadAll(got.Body)
			if err != nil || !bytes.Equal(text, body) {
				t.Errorf("size %d, length %d: %d octets, %v", size, length, len(text), err)
			}
			if n, err := q.read(make([]byte, size)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("size %d: %d, %v behind the end", size, n, err)
			}
		}
	}
}

// A body that ends before its length, or breaks off, is no whole one.
func TestRequestBreaksOff(t *testing.T) {
	for _, length := range []int64{-1, 10} {
		r := asked("POST", "/owa/", "a", "", length)
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("some"), iotest.ErrReader(errGone)))
		if length > 0 {
			r.Body = io.NopCloser(strings.NewReader("some"))
		}
		var q request
		q.begin(r)
		text, err := io.ReadAll(newReader(&q, 4096))
		if err == nil || strings.HasSuffix(string(text), lastChunk) {
			t.Errorf("%q, %v; want an error", text, err)
		}
	}
}

// A malformed head reaches the core as one, without a body.
func TestMalformedRequest(t *testing.T) {
	r := asked("POST", "/owa/", "a", "connection: close", -1)
	r.Body = io.NopCloser(strings.NewReader("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	var q request
	q.begin(r)
	if text, err := io.ReadAll(newReader(&q, 4096)); err != nil || string(text) != malformed {
		t.Errorf("%q, %v", text, err)
	}
}

// A client may take back many requests at once, and then one now and then.
func TestCalm(t *testing.T) {
	var c calm
	now := time.Unix(1, 0)
	spend := func(n int) (ok int) {
		for range n {
			if c.spend(now) {
				ok++
			}
		}
		return ok
	}
	if n := spend(calmBurst + 1); n != calmBurst {
		t.Errorf("%d at once; want %d", n, calmBurst)
	}
	now = now.Add(3 * calmEvery)
	if n := spend(3); n != 2 { // the one too many is paid for, too
		t.Errorf("%d after a while; want 2", n)
	}
	now = now.Add(time.Hour)
	if n := spend(calmBurst); n != calmBurst {
		t.Errorf("%d an hour later; want %d", n, calmBurst)
	}
}
