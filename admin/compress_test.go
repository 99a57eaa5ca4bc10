package admin

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestTakesGzip(t *testing.T) {
	for field, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "deflate, gzip;q=0.5": true, "gzip; q=1.0, br": true, "gzip;q=0": false, "gzip;q=0.000": false,
		"gzip;q=x": false, "br": false, "xgzip": false, "*": false,
	} {
		if got := takesGzip([]string{field}); got != want {
			t.Errorf("takesGzip(%q) = %t; want %t", field, got, want)
		}
	}
}

// Who takes gzip gets the page and each of its frames in a tenth of the octets, and
// each frame at once.
func TestPageIsCompressed(t *testing.T) {
	h := New(newFake(), Options{Loopback: true})
	plain := ask{method: "GET", path: "/"}.of(h)
	small := ask{method: "GET", path: "/", head: map[string]string{"Accept-Encoding": "gzip"}}.of(h)
	if small.Header().Get("Content-Encoding") != "gzip" || small.Body.Len() > plain.Body.Len()/2 || plain.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("%d octets compressed of %d, %v", small.Body.Len(), plain.Body.Len(), small.Header())
	}
	zip, err := gzip.NewReader(small.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(zip); err != nil || string(text) != plain.Body.String() {
		t.Errorf("it is another page: %v", err)
	}

	addr, _ := serving(t, h)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil) //nolint:bodyclose // what it is read from is closed; it has no end
	if err != nil {
		t.Fatal(err)
	}
	if zip, err = gzip.NewReader(resp.Body); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(zip)
	if !lines.Scan() || lines.Text() != "retry: 2000" || !lines.Scan() {
		t.Fatalf("first event = %q", lines.Text())
	}
	h.sample()
	frame := ""
	for lines.Scan() && lines.Text() != "" {
		frame += lines.Text()
	}
	if !strings.Contains(frame, "No server for owa") {
		t.Errorf("frame = %.300q; want the page's live part", frame)
	}
}
