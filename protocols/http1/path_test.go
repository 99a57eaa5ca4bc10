package http1

import "testing"

func TestPlainPath(t *testing.T) {
	tests := []struct {
		path string
		want bool
	}{
		{"/", true},
		{"/owa/", true},
		{"/owa/a.b/..c/.d/e../...", true},
		{"/owa/%41%2D%c3%bc", true},
		{"/owa/a%2eb", true},
		{"/owa/%2e%2e%2e", true},
		{"/%252e%252e/", true}, // decoded once it is "%2e%2e"
		{"*", true},

		{"/owa/.", false},
		{"/owa/..", false},
		{"/owa/./x", false},
		{"/owa/../ecp", false},
		{"/../owa", false},
		{"/owa/%2e", false},
		{"/owa/.%2E/ecp", false},
		{"/owa/%2e%2e/ecp", false},
		{"/%2e/owa/%41", false},
		{`/owa\ecp`, false},
		{`/owa/%41\ecp`, false},
		{"/owa/%5cecp", false},
		{"/owa%2fecp", false},
		{"/owa%2Fecp", false},
		{"/owa/%00", false},
		{"/owa/%0d%0a", false},
		{"/owa/%1f", false},
		{"/owa/%7F", false},
		{"/owa/%", false},
		{"/owa/%4", false},
		{"/owa/%4g", false},
		{"/owa/%u002e", false},
		{"/owa/%%41", false},
	}
	for _, tt := range tests {
		if got := plainPath([]byte(tt.path)); got != tt.want {
			t.Errorf("plainPath(%q) = %v; want %v", tt.path, got, tt.want)
		}
	}
}
