package rule

import (
	"net/netip"
	"testing"

	"casbah/internal/httphead"
)

// FuzzRule checks that no text and no request does harm: what compiles gives one
// value for one request, within its bounds, and what does not says so on a line.
func FuzzRule(f *testing.F) {
	f.Add(`split(path, "/")[1] + header("Host")`, []byte("GET /a/b?c=%4 HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add(`string(int(param("a")) % int(cookie("b")))`, []byte("GET /?a=7 HTTP/1.1\r\nHost: x\r\nCookie: b=0\r\n\r\n"))
	f.Add(`path matches "^/(a|b)+$" ? lower(query)[1:-1] : trim(source, ".:")`, []byte("GET /ab HTTP/1.0\r\n\r\n"))
	f.Add(`{"a": 1..9}`, []byte("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add(`method ?? header(header("X"))?.y`, []byte("GET http://x/ HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text string, head []byte) {
		r, err := Compile(text)
		if err != nil {
			for _, c := range err.Error() {
				if c < ' ' {
					t.Fatalf("Compile(%q): message %q", text, err)
				}
			}
			return
		}
		var req httphead.Request
		if len(text) > MaxText || req.Parse(head) != nil {
			return
		}
		value, ok := r.Eval(&req, netip.MustParseAddr("192.0.2.7"))
		if len(value) > MaxResult || !ok && value != "" {
			t.Fatalf("%q gives %q, %v", text, value, ok)
		}
		if again, okAgain := r.Eval(&req, netip.MustParseAddr("192.0.2.7")); again != value || okAgain != ok {
			t.Fatalf("%q gives %q, %v and then %q, %v", text, value, ok, again, okAgain)
		}
	})
}
