package httphead

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzHead: what is accepted is all of the input and can be put together again
// from its parts; octets that come one by one make no difference.
func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS * HTTP/1.0\r\n\r\n",
		"GET http://a/b?c HTTP/1.1\r\nhost:\ta \r\nX:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 Success\r\nServer: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		n, err := End(p, 0)
		m, errByOctets := endByOctets(p)
		if n != m || (err == nil) != (errByOctets == nil) {
			t.Fatalf("End = %d, %v; octet by octet %d, %v", n, err, m, errByOctets)
		}
		if n == 0 {
			return
		}
		head := p[:n]
		var req Request
		if req.Parse(head) == nil {
			checkRequest(t, &req, head)
		}
		var resp Response
		if resp.Parse(head) == nil {
			line := head[:bytes.Index(head, []byte("\r\n"))]
			if !bytes.HasPrefix(line, []byte("HTTP/1.")) || !bytes.HasSuffix(line, resp.Reason) {
				t.Errorf("status line %q", line)
			}
			checkFields(t, head, line, resp.Fields)
		}
	})
}

func checkRequest(t *testing.T, r *Request, head []byte) {
	t.Helper()
	line := string(r.Method) + " " + string(r.Target) + " HTTP/1." + string('0'+r.Minor)
	checkFields(t, head, []byte(line), r.Fields)
	if r.Authority == nil {
		target := string(r.Path)
		if r.Query != nil {
			target += "?" + string(r.Query)
		}
		if target != string(r.Target) {
			t.Errorf("path and query %q of target %q", target, r.Target)
		}
	}
	hosts := 0
	for _, f := range r.Fields {
		if strings.EqualFold(string(f.Name), "host") {
			hosts++
		}
	}
	if hosts > 1 || hosts == 0 && r.Minor == 1 {
		t.Errorf("%d Host fields", hosts)
	}
}

// checkFields puts a head together again.
func checkFields(t *testing.T, head, line []byte, fields []Field) {
	t.Helper()
	again := append(bytes.Clone(line), "\r\n"...)
	for _, f := range fields {
		again = append(again, f.Line...)
		name, value, _ := bytes.Cut(bytes.TrimSuffix(f.Line, []byte("\r\n")), []byte(":"))
		if !bytes.Equal(name, f.Name) || !bytes.Equal(bytes.Trim(value, " \t"), f.Value) {
			t.Errorf("line %q is field %q: %q", f.Line, f.Name, f.Value)
		}
		if bytes.ContainsAny(f.Value, "\r\n\x00") || bytes.ContainsAny(f.Name, " \t\r\n:\x00") {
			t.Errorf("field %q: %q", f.Name, f.Value)
		}
	}
	if again = append(again, "\r\n"...); !bytes.Equal(again, head) {
		t.Errorf("put together %q; want %q", again, head)
	}
}

// FuzzCookie: values are parts of the header, and a Set-Cookie of well-formed
// attributes is read as net/http reads it.
func FuzzCookie(f *testing.F) {
	for _, s := range []string{"a=b; c=d", "a=\"b;c\"", "a=b; Max-Age=0", "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "=;=;;"} {
		f.Add([]byte(s))
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, p []byte) {
		if bytes.ContainsFunc(p, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return // Parse lets no such value through
		}
		for name, value := range Cookies(p) {
			if len(name) == 0 || bytes.ContainsRune(name, ';') || bytes.ContainsRune(value, ';') || !bytes.Contains(p, value) {
				t.Errorf("Cookies(%q) has %q = %q", p, name, value)
			}
		}
		c, ok := ParseSetCookie(p, now.UnixNano())
		if ok && (len(c.Name) == 0 || !bytes.Contains(p, c.Name) || bytes.ContainsRune(c.Value, ';')) {
			t.Errorf("ParseSetCookie(%q) = %q, %q", p, c.Name, c.Value)
		}
		theirs, err := http.ParseSetCookie(string(p))
		if err != nil || theirs.MaxAge == 0 && theirs.Expires.IsZero() || strings.Count(strings.ToLower(string(p)), "max-age")+strings.Count(strings.ToLower(string(p)), "expires") != 1 {
			return
		}
		if gone := theirs.MaxAge < 0 || theirs.MaxAge == 0 && !theirs.Expires.After(now); ok && gone != c.Expired && theirs.Expires.Year() >= 1601 {
			t.Errorf("ParseSetCookie(%q): expired %v; net/http: %v %v", p, c.Expired, theirs.MaxAge, theirs.Expires)
		}
	})
}
