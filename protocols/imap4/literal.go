package imap4

import (
	"bytes"
	"math"

	"casbah/internal/maildialogue"
)

// mostMark is more than the longest mark of a literal with the end of its line.
const mostMark = 32

// mark is what a line ends with when a literal follows it: {n}, {n+} or ~{n}
// (RFC 9051, Section 4.3; RFC 7888; RFC 3516, Section 2).
type mark struct {
	octets int64
	soon   bool // the client does not wait: {n+}
	sound  bool // it stands where a literal may, outside of a quoted string
	binary bool // ~{n}, of an extension
}

// markOf returns the mark at the end of a line without its CRLF. A number of more
// than 63 bits is the greatest that there is.
func markOf(text []byte) (m mark, ok bool) {
	i := bytes.LastIndexByte(text, '{')
	if i < 0 || text[len(text)-1] != '}' {
		return mark{}, false
	}
	number := text[i+1 : len(text)-1]
	m.soon = bytes.HasSuffix(number, []byte("+"))
	if m.soon {
		number = number[:len(number)-1]
	}
	if len(number) == 0 || len(bytes.Trim(number, "0123456789")) > 0 {
		return mark{}, false
	}
	if m.octets, ok = maildialogue.Number(number); !ok {
		m.octets = math.MaxInt64
	}
	before := bytes.TrimSuffix(text[:i], []byte("~"))
	m.binary = len(before) < i
	m.sound = len(before) == 0 || bytes.IndexByte([]byte(" ("), before[len(before)-1]) >= 0 && !openQuote(before)
	return m, true
}

// openQuote reports whether a quoted string has begun and has not ended.
func openQuote(text []byte) bool {
	open := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			open = !open
		case text[i] == '\\' && open:
			i++
		}
	}
	return open
}
