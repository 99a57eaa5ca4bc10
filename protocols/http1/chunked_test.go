package http1

import (
	"strings"
	"testing"
)

func TestChunked(t *testing.T) {
	tests := []struct {
		name, in string
		used     int // -1: refused
		done     bool
	}{
		{"empty", "0\r\n\r\n", 5, true},
		{"one", "3\r\nabc\r\n0\r\n\r\n", 13, true},
		{"more-behind", "0\r\n\r\nGET", 5, true},
		{"hex", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", 35, true},
		{"extension", "3;a=b;c=\"d\"\r\nabc\r\n0\r\n\r\n", 23, true},
		{"space-before-extension", "3 \t;a\r\nabc\r\n0\r\n\r\n", 17, true},
		{"trailer", "0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", 21, true},
		{"zeros", "0000000000000003\r\nabc\r\n0\r\n\r\n", 28, true},
		{"incomplete", "3\r\nab", 5, false},
		{"largest-size", "7ffffffffffffff\r\n", 17, false},

		{"no-size", "\r\n", -1, false},
		{"bare-lf-size", "3\nabc\r\n", -1, false},
		{"bare-cr-size", "3\rabc", -1, false},
		{"bare-lf-data", "3\r\nabc\n0\r\n\r\n", -1, false},
		{"short-chunk", "2\r\nabc\r\n", -1, false},
		{"long-chunk", "4\r\nabc\r\n\r\n", -1, false},
		{"space-behind-size", "3 \r\nabc\r\n", -1, false},
		{"space-before-size", " 3\r\nabc\r\n", -1, false},
		{"sign", "+3\r\nabc\r\n", -1, false},
		{"prefix", "0x3\r\nabc\r\n", -1, false},
		{"17-digits", "00000000000000003\r\n", -1, false},
		{"overflow", "ffffffffffffffff\r\n", -1, false},
		{"extension-lf", "3;a\nb\r\nabc\r\n", -1, false},
		{"extension-nul", "3;a\x00\r\nabc\r\n", -1, false},
		{"extension-limit", "3;" + strings.Repeat("a", maxExtension-1) + "\r\n", 3 + maxExtension, false},
		{"extension-over", "3;" + strings.Repeat("a", maxExtension) + "\r\n", -1, false},
		{"trailer-fold", "0\r\nA: b\r\n c\r\n\r\n", -1, false},
		{"trailer-space", "0\r\nA : b\r\n\r\n", -1, false},
		{"trailer-lf", "0\r\nA: b\n\r\n", -1, false},
		{"trailer-no-name", "0\r\n: b\r\n\r\n", -1, false},
		{"trailer-length", "0\r\nContent-Length: 3\r\n\r\n", -1, false},
		{"trailer-host", "0\r\nhost: a\r\n\r\n", -1, false},
		{"trailer-authorization", "0\r\nAuthorization: NTLM x\r\n\r\n", -1, false},
		{"trailer-over", "0\r\nA: " + strings.Repeat("b", maxTrailer) + "\r\n\r\n", -1, false},
		{"last-cr", "0\r\n\rX", -1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for split := range len(tt.in) + 1 {
				var c chunked
				used, done, err := c.scan([]byte(tt.in[:split]))
				if err == nil && !done {
					var n int
					n, done, err = c.scan([]byte(tt.in[split:]))
					used += n
				}
				if (err != nil) != (tt.used < 0) {
					t.Fatalf("split %d: err = %v", split, err)
				}
				if err == nil && (used != tt.used || done != tt.done) {
					t.Fatalf("split %d: scan = %d, %v; want %d, %v", split, used, done, tt.used, tt.done)
				}
			}
		})
	}
}
