package httphead

import (
	"bytes"
	"time"
)

// SetCookie is what one Set-Cookie header says to a client.
type SetCookie struct {
	Name, Value []byte
	Expired     bool // the client is to delete the cookie
}

// ParseSetCookie reads the value of a Set-Cookie header at the time now, in
// nanoseconds since the Unix epoch, as clients read it (RFC 6265, Section 5.2):
// the last Max-Age decides, or else the last Expires. It reports false if there
// is no name.
func ParseSetCookie(value []byte, now int64) (SetCookie, bool) {
	pair, rest, _ := bytes.Cut(value, semicolon)
	name, v, ok := bytes.Cut(pair, equals)
	c := SetCookie{Name: trim(name), Value: trim(v)}
	if !ok || len(c.Name) == 0 {
		return SetCookie{}, false
	}
	aged := false
	for len(rest) > 0 {
		var attr []byte
		attr, rest, _ = bytes.Cut(rest, semicolon)
		key, v, _ := bytes.Cut(attr, equals)
		switch key = trim(key); {
		case EqualFold(key, "max-age"):
			if gone, ok := ageOver(trim(v)); ok {
				c.Expired, aged = gone, true
			}
		case !aged && EqualFold(key, "expires"):
			if at, ok := cookieDate(v); ok {
				c.Expired = at <= now/int64(time.Second)
			}
		}
	}
	return c, true
}

var semicolon, equals = []byte(";"), []byte("=")

// ageOver reports whether a Max-Age deletes its cookie, and whether it is one.
func ageOver(v []byte) (gone, ok bool) {
	digits := v
	if len(v) > 0 && v[0] == '-' {
		digits = v[1:]
	}
	if len(digits) == 0 {
		return false, false
	}
	gone = true
	for _, c := range digits {
		if !isDigit(c) {
			return false, false
		}
		gone = gone && c == '0'
	}
	return gone || v[0] == '-', true
}
