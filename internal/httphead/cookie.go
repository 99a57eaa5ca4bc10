package httphead

import (
	"bytes"
	"iter"
)

// Cookies ranges over the names and values of one Cookie header, as they stand:
// quotes belong to a value. Pairs without a name are left out.
func Cookies(value []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for len(value) > 0 {
			var name, v []byte
			if name, v, value = cutCookie(value); len(name) > 0 && !yield(name, v) {
				return
			}
		}
	}
}

// cutCookie takes the first pair off a Cookie header (RFC 6265, Section 5.4).
func cutCookie(b []byte) (name, value, rest []byte) {
	pair, rest, _ := bytes.Cut(b, []byte(";"))
	name, value, found := bytes.Cut(pair, []byte("="))
	if !found {
		return nil, nil, rest
	}
	return trim(name), trim(value), rest
}

// Cookie returns the value of the first cookie of that name, over all Cookie
// lines. Names compare with case.
func (r *Request) Cookie(name string) ([]byte, bool) {
	for i := range r.Fields {
		f := &r.Fields[i]
		if len(f.Name) != 6 || !EqualFold(f.Name, "cookie") {
			continue
		}
		for n, v := range Cookies(f.Value) {
			if string(n) == name {
				return v, true
			}
		}
	}
	return nil, false
}
