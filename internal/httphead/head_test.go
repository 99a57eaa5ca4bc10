package httphead

import (
	"errors"
	"strings"
	"testing"
)

func TestEnd(t *testing.T) {
	tests := []struct {
		name, in string
		n        int
		bad      bool
	}{
		{"empty", "", 0, false},
		{"incomplete", "GET / HTTP/1.1\r\nHost: a\r\n", 0, false},
		{"complete", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, false},
		{"more-behind", "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\n", 18, false},
		{"empty-line-alone", "\r\nGET", 2, false},
		{"bare-lf", "GET / HTTP/1.1\n", 0, true},
		{"bare-lf-later", "GET / HTTP/1.1\r\nA: b\nC", 0, true},
		{"bare-lf-last", "GET / HTTP/1.1\r\nA: b\r\n\n", 0, true},
		{"lf-first", "\n", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := End([]byte(tt.in), 0)
			if n != tt.n || (err != nil) != tt.bad {
				t.Errorf("End(%q, 0) = %d, %v; want %d, bad %v", tt.in, n, err, tt.n, tt.bad)
			}
			n, err = endByOctets([]byte(tt.in))
			if n != tt.n || (err != nil) != tt.bad {
				t.Errorf("octet by octet: %d, %v; want %d, bad %v", n, err, tt.n, tt.bad)
			}
		})
	}
}

// endByOctets calls End as a core does whose octets come one by one.
func endByOctets(p []byte) (int, error) {
	for i := range p {
		if n, err := End(p[:i+1], i); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

func TestRequestParse(t *testing.T) {
	var r Request
	head := "POST /owa/ev.owa?ns=x&y HTTP/1.1\r\nhost: Mail.example.org:443\r\nX-A:b\r\nX-B: \t c d\t \r\nX-Empty:\r\n\r\n"
	if err := r.Parse([]byte(head)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, got, want string }{
		{"Raw", string(r.Raw), head},
		{"Method", string(r.Method), "POST"},
		{"Target", string(r.Target), "/owa/ev.owa?ns=x&y"},
		{"Path", string(r.Path), "/owa/ev.owa"},
		{"Query", string(r.Query), "ns=x&y"},
		{"Host", string(r.Host), "Mail.example.org:443"},
		{"name", string(r.Fields[2].Name), "X-B"},
		{"value", string(r.Fields[2].Value), "c d"},
		{"line", string(r.Fields[2].Line), "X-B: \t c d\t \r\n"},
		{"empty value", string(r.Fields[3].Value), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %q; want %q", tt.what, tt.got, tt.want)
		}
	}
	if r.Minor != 1 || len(r.Fields) != 4 || r.Authority != nil {
		t.Errorf("Minor %d, %d fields, authority %q", r.Minor, len(r.Fields), r.Authority)
	}
	if v, ok := r.Value("x-b"); !ok || string(v) != "c d" {
		t.Errorf("Value(x-b) = %q, %v", v, ok)
	}
	if _, ok := r.Value("x-c"); ok {
		t.Error("Value(x-c) found")
	}
}

func TestRequestTargets(t *testing.T) {
	tests := []struct {
		line, host, path, query string
		status                  int // 0: taken
	}{
		{"GET / HTTP/1.1", "a", "/", "", 0},
		{"GET /a//b;c?d?e HTTP/1.1", "a", "/a//b;c", "d?e", 0},
		{"GET http://A.b:80/c?d HTTP/1.1", "a.B:80", "/c", "d", 0},
		{"GET HTTPS://a HTTP/1.1", "a", "/", "", 0},
		{"GET http://a?b HTTP/1.1", "a", "/", "b", 0},
		{"GET http://[2001:db8::1]:80/ HTTP/1.1", "[2001:DB8::1]:80", "/", "", 0},
		{"OPTIONS * HTTP/1.1", "a", "*", "", 0},
		{"M!#$%&'*+-.^_`|~9 / HTTP/1.1", "a", "/", "", 0},

		{"GET * HTTP/1.1", "a", "", "", 400},
		{"CONNECT a:443 HTTP/1.1", "a", "", "", 400},
		{"GET a HTTP/1.1", "a", "", "", 400},
		{"GET ftp://a/ HTTP/1.1", "a", "", "", 400},
		{"GET http:///b HTTP/1.1", "a", "", "", 400},
		{"GET http://u@a/ HTTP/1.1", "a", "", "", 400},
		{"GET http://b/ HTTP/1.1", "a", "", "", 400},
		{"GET http://a:81/ HTTP/1.1", "a:80", "", "", 400},
		{"GET /a#b HTTP/1.1", "a", "", "", 400},
		{"GET /\x80 HTTP/1.1", "a", "", "", 400},
		{"GET /a\tb HTTP/1.1", "a", "", "", 400},
		{"GET  / HTTP/1.1", "a", "", "", 400},
		{"GET /  HTTP/1.1", "a", "", "", 400},
		{"GET / HTTP/1.1 ", "a", "", "", 400},
		{"GET / http/1.1", "a", "", "", 400},
		{"GET / HTTP/1.10", "a", "", "", 400},
		{"GET /", "a", "", "", 400},
		{"GET", "a", "", "", 400},
		{"", "a", "", "", 400},
		{" GET / HTTP/1.1", "a", "", "", 400},
		{"G(T / HTTP/1.1", "a", "", "", 400},
		{"GET / HTTP/1.2", "a", "", "", 505},
		{"GET / HTTP/0.9", "a", "", "", 505},
		{"PRI * HTTP/2.0", "a", "", "", 505},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			var r Request
			err := r.Parse([]byte(tt.line + "\r\nHost: " + tt.host + "\r\n\r\n"))
			if statusOf(err) != tt.status {
				t.Fatalf("Parse = %v; want status %d", err, tt.status)
			}
			if err == nil && (string(r.Path) != tt.path || string(r.Query) != tt.query) {
				t.Errorf("path %q, query %q; want %q, %q", r.Path, r.Query, tt.path, tt.query)
			}
		})
	}
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

func TestHosts(t *testing.T) {
	tests := []struct {
		fields string
		ok     bool
	}{
		{"Host: mail.example.org\r\n", true},
		{"HOST:mail.example.org:443\r\n", true},
		{"Host: 192.0.2.1:\r\n", true},
		{"Host: [::1]\r\n", true},
		{"Host: _a-b.example.\r\n", true},
		{"", false},
		{"Host:\r\n", false},
		{"Host: a\r\nHost: a\r\n", false},
		{"Host: a\r\nhost: b\r\n", false},
		{"Host: a, b\r\n", false},
		{"Host: a b\r\n", false},
		{"Host: u@a\r\n", false},
		{"Host: a/b\r\n", false},
		{"Host: a%41\r\n", false},
		{"Host: :80\r\n", false},
		{"Host: a:8x\r\n", false},
		{"Host: a:123456\r\n", false},
		{"Host: [::1\r\n", false},
		{"Host: [::g]\r\n", false},
		{"Host: []\r\n", false},
	}
	for _, tt := range tests {
		var r Request
		if err := r.Parse([]byte("GET / HTTP/1.1\r\n" + tt.fields + "\r\n")); (err == nil) != tt.ok {
			t.Errorf("%q: %v; want ok %v", tt.fields, err, tt.ok)
		}
	}
	var r Request
	if err := r.Parse([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil || r.Host != nil {
		t.Errorf("HTTP/1.0 without Host: %v", err)
	}
	if err := r.Parse([]byte("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")); err == nil {
		t.Error("HTTP/1.0 with two Hosts taken")
	}
}

func TestFields(t *testing.T) {
	tests := []struct {
		name, fields string
		status       int
	}{
		{"tab-in-value", "A: b\tc", 0},
		{"high-octets", "A: \xc3\xbc\xff", 0},
		{"colon-in-value", "A: b:c", 0},
		{"folded", "A: b\r\n c", 400},
		{"folded-tab", "A: b\r\n\tc", 400},
		{"folded-first", " A: b", 400},
		{"space-before-colon", "A : b", 400},
		{"tab-before-colon", "A\t: b", 400},
		{"no-colon", "Ab", 400},
		{"no-name", ": b", 400},
		{"name-octet", "A\xff: b", 400},
		{"name-slash", "A/b: c", 400},
		{"nul", "A: b\x00", 400},
		{"nul-in-name", "A\x00: b", 400},
		{"del", "A: b\x7f", 400},
		{"bell-late", "A: 0123456789abcdef\x07", 400},
		{"bare-cr", "A: b\rc", 400},
		{"cr-twice", "A: b\r", 400},
		{"most-fields", "A: b" + strings.Repeat("\r\nA: b", MaxFields-2), 0},
		{"more-fields", "A: b" + strings.Repeat("\r\nA: b", MaxFields-1), 431},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\n" + tt.fields + "\r\n\r\n"))
			if statusOf(err) != tt.status {
				t.Errorf("Parse = %v; want status %d", err, tt.status)
			}
		})
	}
}

func TestResponseParse(t *testing.T) {
	tests := []struct {
		line, reason  string
		status, minor int
		bad           bool
	}{
		{"HTTP/1.1 200 Success", "Success", 200, 1, false},
		{"HTTP/1.0 599 \xfc a  b ", "\xfc a  b ", 599, 0, false},
		{"HTTP/1.1 100 ", "", 100, 1, false},
		{"HTTP/1.1 200", "", 200, 1, false},
		{"HTTP/1.1 099 x", "", 0, 0, true},
		{"HTTP/1.1 600 x", "", 0, 0, true},
		{"HTTP/1.1 20 x", "", 0, 0, true},
		{"HTTP/1.1 2000", "", 0, 0, true},
		{"HTTP/1.1  200 OK", "", 0, 0, true},
		{"HTTP/1.1\t200 OK", "", 0, 0, true},
		{"HTTP/2.0 200 OK", "", 0, 0, true},
		{"http/1.1 200 OK", "", 0, 0, true},
		{"HTTP/1.1 200 a\x01b", "", 0, 0, true},
		{"ICY 200 OK", "", 0, 0, true},
		{"", "", 0, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			var r Response
			err := r.Parse([]byte(tt.line + "\r\nA: b\r\n\r\n"))
			if (err != nil) != tt.bad {
				t.Fatalf("Parse = %v; want bad %v", err, tt.bad)
			}
			if err != nil {
				return
			}
			if r.Status != tt.status || int(r.Minor) != tt.minor || string(r.Reason) != tt.reason {
				t.Errorf("%d, HTTP/1.%d, %q", r.Status, r.Minor, r.Reason)
			}
			if v, ok := r.Value("a"); !ok || string(v) != "b" {
				t.Errorf("Value(a) = %q, %v", v, ok)
			}
		})
	}
}

func TestToken(t *testing.T) {
	tests := []struct {
		list, token string
		want        bool
	}{
		{"close", "close", true},
		{"Keep-Alive, CLOSE", "close", true},
		{" ,, close ,", "close", true},
		{"closed", "close", false},
		{"a close", "close", false},
		{"", "close", false},
		{",", "close", false},
	}
	for _, tt := range tests {
		if got := Token([]byte(tt.list), tt.token); got != tt.want {
			t.Errorf("Token(%q, %q) = %v; want %v", tt.list, tt.token, got, tt.want)
		}
	}
}

func TestControl(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			b := []byte("abcdefgh\xff\x80ijklmnopqrst")[:20]
			b[at] = byte(c)
			want := 20
			if c < 0x20 || c == 0x7f {
				want = at
			}
			if got := control(b); got != want {
				t.Fatalf("control(%q) = %d; want %d", b, got, want)
			}
		}
	}
}
