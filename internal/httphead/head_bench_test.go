package httphead

import "testing"

const sample = "GET /owa/?ae=Folder&t=IPF.Note HTTP/1.1\r\nHost: mail.example.org\r\nConnection: keep-alive\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\nCookie: a=b; UserContext=0123456789abcdef0123456789abcdef\r\n\r\n"

func TestParsingDoesNotAllocate(t *testing.T) {
	head := []byte(sample)
	answer := []byte("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n")
	setCookie := []byte("a=b; path=/; expires=Thu, 01-Jan-1970 00:00:00 GMT")
	var req Request
	var resp Response
	run := func() {
		n, err := End(head, 0)
		if err != nil || req.Parse(head[:n]) != nil || resp.Parse(answer) != nil {
			t.Fatal("not parsed")
		}
		if _, ok := req.Cookie("UserContext"); !ok {
			t.Fatal("no cookie")
		}
		if c, ok := ParseSetCookie(setCookie, 1); !ok || !c.Expired {
			t.Fatal("no Set-Cookie")
		}
		if !Token([]byte("a, close"), "close") {
			t.Fatal("no token")
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	head := []byte(sample)
	var r Request
	b.ReportAllocs()
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		n, _ := End(head, 0)
		if r.Parse(head[:n]) != nil {
			b.Fatal("not parsed")
		}
	}
}
