package h2

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// asked makes a request as net/http makes it of a stream's head: fields is
// "name: value" by lines, each with a NUL in the place of a line feed that is in it.
func asked(method, path, authority, fields string, length int64) *http.Request {
	r := &http.Request{Method: method, RequestURI: path, Host: authority, Header: http.Header{}, ContentLength: length, ProtoMajor: 2}
	for line := range strings.Lines(fields) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		key := textproto.CanonicalMIMEHeaderKey(name)
		r.Header[key] = append(r.Header[key], strings.ReplaceAll(value, "\x01", "\r\n"))
	}
	return r
}

// FuzzRender: what is rendered is one head and nothing behind it, two parsers find
// in it what the stream said, and where its body ends is said once, by render.
func FuzzRender(f *testing.F) {
	for _, s := range []struct {
		method, path, authority, fields string
		length                          int64
	}{
		{"GET", "/owa/?a=b", "mail.example.org", "user-agent: x\ncookie: a=1\ncookie: b=2\nte: trailers", 0},
		{"POST", "/owa/", "mail.example.org:443", "content-length: 5\nhost: mail.example.org:443", 5},
		{"PUT", "/owa/", "a", "content-length: 5\ncontent-length: 5", 5},
		{"POST", "/owa/", "[::1]:443", "transfer-encoding: chunked", -1},
		{"POST", "/owa/", "a", "x: a\x01content-length: 7", -1},
		{"GET / HTTP/1.1\r\nX: y\r\n\r\nGET", "/", "a", "", 0},
		{"GET", "/ HTTP/1.1\r\nContent-Length: 9\r\nX: ", "a", "", 0},
		{"GET", "http://b/owa/", "a", "", 0},
		{"CONNECT", "/", "a:1", "", 0},
		{"OPTIONS", "*", "a", "expect: 200-ok", 0},
		{"GET", "/", "a", "x:y: z\n content-length: 1\nconnection: close\n: v\ncontent-length:: 3", 0},
		{"GET", "/", "a@b", "content-length: +1\nx:  y ", 1},
	} {
		f.Add(s.method, s.path, s.authority, s.fields, s.length)
	}
	f.Fuzz(func(t *testing.T, method, path, authority, fields string, length int64) {
		r := asked(method, path, authority, fields, max(length, chunked))
		head, err := render(nil, r)
		if err != nil {
			return
		}
		text := string(head)
		if !strings.HasPrefix(text, method+" "+path+" HTTP/1.1\r\n") || !strings.HasSuffix(text, "\r\n\r\n") ||
			strings.Count(text, "\r\n\r\n") != 1 || strings.Contains(text, "\x00") {
			t.Fatalf("head %q", text)
		}
		if n := strings.Count(text, "\r\n"); strings.Count(text, "\n") != n || strings.Count(text, "\r") != n {
			t.Fatalf("a bare CR or LF in %q", text)
		}
		checkFraming(t, text, r)
		checkAgain(t, text, r)
	})
}

// checkFraming looks at the lines that say where the body ends, and at those of a
// connection.
func checkFraming(t *testing.T, head string, r *http.Request) {
	t.Helper()
	lengths, codings := 0, 0
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "content-length":
			lengths++
		case "transfer-encoding":
			if codings++; value != " chunked" {
				t.Errorf("%q", line)
			}
		case "connection":
			if value != " TE" {
				t.Errorf("%q", line)
			}
		case "keep-alive", "proxy-connection", "upgrade", "http2-settings":
			t.Errorf("%q passes", line)
		}
	}
	if lengths > 1 || codings > 1 || lengths+codings > 1 || (codings == 1) != (r.ContentLength < 0) || lengths == 0 && r.ContentLength > 0 {
		t.Errorf("%d lengths and %d codings for a body of %d", lengths, codings, r.ContentLength)
	}
}

// checkAgain reads the head by the parser of net/http.
func checkAgain(t *testing.T, head string, r *http.Request) {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(head + "rest"))
	got, err := http.ReadRequest(in)
	if err != nil {
		if r.RequestURI == "*" || strings.ContainsAny(r.RequestURI, "%#[]^|\\\"<>`{} ") || r.Method == "PRI" {
			return // url.Parse is narrower than the grammar of a target
		}
		t.Fatalf("net/http refuses %q: %v", head, err)
	}
	if got.Method != r.Method || got.RequestURI != r.RequestURI || got.Host != r.Host || got.ContentLength != max(r.ContentLength, chunked) {
		t.Errorf("net/http reads %s %s of %s with %d octets in %q", got.Method, got.RequestURI, got.Host, got.ContentLength, head)
	}
	for name, values := range got.Header {
		want := r.Header[name]
		switch name {
		case "Connection", "Content-Length":
			continue
		case "Cookie":
			want = []string{strings.Join(want, "; ")}
		case "Te":
			want = []string{"trailers"}
		}
		if !slices.Equal(values, want) {
			t.Errorf("net/http reads %s: %q; want %q", name, values, want)
		}
	}
}

// FuzzAnswer: however a response of HTTP/1.1 is cut up, the same comes out of it,
// and what net/http reads in it too.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
	} {
		f.Add([]byte(s), uint8(3), false)
	}
	f.Fuzz(func(t *testing.T, p []byte, cut uint8, head bool) {
		whole, err := answered(p, len(p), head)
		pieces, piecesErr := answered(p, int(cut)+1, head)
		if (err == nil) != (piecesErr == nil) || err == nil && !same(whole, pieces) {
			t.Fatalf("whole %+v, %v; in pieces %+v, %v", whole, err, pieces, piecesErr)
		}
		if err != nil || !whole.done {
			return
		}
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		in := bufio.NewReader(bytes.NewReader(p))
		for {
			r, err := http.ReadResponse(in, &http.Request{Method: method})
			if err != nil {
				return // it is narrower in places
			}
			body, err := io.ReadAll(r.Body)
			_ = r.Body.Close()
			if err != nil {
				return
			}
			if r.StatusCode >= 200 {
				if r.StatusCode != whole.status || string(body) != whole.body {
					t.Errorf("net/http reads %d %q; the answer is %d %q", r.StatusCode, body, whole.status, whole.body)
				}
				return
			}
		}
	})
}

// outcome is what came of a response.
type outcome struct {
	status int
	header http.Header
	body   string
	done   bool
}

func same(a, b outcome) bool {
	return a.status == b.status && a.body == b.body && a.done == b.done && maps.EqualFunc(a.header, b.header, slices.Equal)
}

// final is a recorder that takes no 1xx for the response.
type final struct{ *httptest.ResponseRecorder }

func (w final) WriteHeader(status int) {
	if status >= 200 {
		w.ResponseRecorder.WriteHeader(status)
	}
}

// answered writes p, a piece at a time.
func answered(p []byte, size int, head bool) (outcome, error) {
	w := final{httptest.NewRecorder()}
	a := answer{w: w, bodiless: head}
	done := false
	for len(p) > 0 {
		n := min(size, len(p))
		var err error
		if done, err = a.take(bytes.Clone(p[:n])); err != nil {
			return outcome{}, err
		}
		p = p[n:]
	}
	return outcome{w.Code, w.Header(), w.Body.String(), done}, nil
}
