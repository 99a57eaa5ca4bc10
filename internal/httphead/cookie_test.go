package httphead

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCookies(t *testing.T) {
	tests := []struct{ in, want string }{
		{"a=b", "a=b|"},
		{"a=b; c=d", "a=b|c=d|"},
		{"a=b;c=d;", "a=b|c=d|"},
		{" a = b ;c=", "a=b|c=|"},
		{"a=b=c", "a=b=c|"},
		{`OutlookSession="{1-2} Outlook=15.0 OS=6.2"; x=y`, `OutlookSession="{1-2} Outlook=15.0 OS=6.2"|x=y|`},
		{"noname; =x; a=b", "a=b|"},
		{"", ""},
		{";;;", ""},
	}
	for _, tt := range tests {
		var b strings.Builder
		for name, value := range Cookies([]byte(tt.in)) {
			fmt.Fprintf(&b, "%s=%s|", name, value)
		}
		if b.String() != tt.want {
			t.Errorf("Cookies(%q) = %s; want %s", tt.in, b.String(), tt.want)
		}
	}
}

func TestCookie(t *testing.T) {
	var r Request
	if err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\ncookie: B=4; c=5; a=6\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		ok         bool
	}{{"a", "1", true}, {"b", "2", true}, {"B", "4", true}, {"c", "5", true}, {"d", "", false}, {"", "", false}} {
		if v, ok := r.Cookie(tt.name); string(v) != tt.want || ok != tt.ok {
			t.Errorf("Cookie(%q) = %q, %v; want %q, %v", tt.name, v, ok, tt.want, tt.ok)
		}
	}
}

func TestParseSetCookie(t *testing.T) { // S78: a past expiry deletes
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixNano()
	tests := []struct {
		in, name, value string
		expired, bad    bool
	}{
		{in: "UserContext=abc; path=/owa; HttpOnly", name: "UserContext", value: "abc"},
		{in: "a=", name: "a"},
		{in: ` a = "b c" ; Path=/`, name: "a", value: `"b c"`},
		{in: "a=b; expires=Thu, 01-Jan-1970 00:00:00 GMT", name: "a", value: "b", expired: true},
		{in: "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", name: "a", value: "b", expired: true},
		{in: "a=b; expires=Sun, 22 Nov 2026 12:00:00 GMT", name: "a", value: "b", expired: true},
		{in: "a=b; expires=Sun, 22 Nov 2026 12:00:01 GMT", name: "a", value: "b"},
		{in: "a=b; expires=Sunday, 22-Nov-69 11:00:00 GMT", name: "a", value: "b"},
		{in: "a=b; expires=Sunday, 22-Nov-70 11:00:00 GMT", name: "a", value: "b", expired: true},
		{in: "a=b; expires=Sun Nov 22 11:59:59 2026", name: "a", value: "b", expired: true},
		{in: "a=b; expires=never", name: "a", value: "b"},
		{in: "a=b; expires=99 Nov 2020 25:00:00", name: "a", value: "b"},
		{in: "a=b; max-age=0", name: "a", value: "b", expired: true},
		{in: "a=b; Max-Age=-1", name: "a", value: "b", expired: true},
		{in: "a=b; Max-Age=60", name: "a", value: "b"},
		{in: "a=b; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", name: "a", value: "b"},
		{in: "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", name: "a", value: "b"},
		{in: "a=b; Max-Age=0; Expires=Thu, 01 Jan 2099 00:00:00 GMT", name: "a", value: "b", expired: true},
		{in: "a=b; Max-Age=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT", name: "a", value: "b", expired: true},
		{in: "a=b; Max-Age=", name: "a", value: "b"},
		{in: "a=b; Max-Age=-", name: "a", value: "b"},
		{in: "novalue", bad: true},
		{in: "=b", bad: true},
		{in: "", bad: true},
	}
	for _, tt := range tests {
		c, ok := ParseSetCookie([]byte(tt.in), now)
		if ok == tt.bad || string(c.Name) != tt.name || string(c.Value) != tt.value || c.Expired != tt.expired {
			t.Errorf("ParseSetCookie(%q) = %q %q %v, %v", tt.in, c.Name, c.Value, c.Expired, ok)
		}
	}
}
