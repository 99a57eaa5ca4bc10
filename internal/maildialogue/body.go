package maildialogue

import "bytes"

// Body finds the end of what ends with a dot on a line of its own: the message
// of SMTP's DATA (RFC 5321, Section 4.5.2) and a multi-line response of POP3
// (RFC 1939, Section 3). The zero value stands at the beginning of a line.
type Body uint8

// The octets of CRLF.CRLF that have come.
const (
	lineStart Body = iota // CRLF, or the beginning
	within                // none
	cr
	dot
	dotCR
)

// Scan returns how many octets of p belong to the body, its end included, and
// whether they end it.
func (b *Body) Scan(p []byte) (n int, done bool) {
	state := *b
	for n < len(p) {
		if state == within { // common case: to the next line
			i := bytes.IndexByte(p[n:], '\r')
			if i < 0 {
				n = len(p)
				break
			}
			n += i + 1
			state = cr
			continue
		}
		c := p[n]
		n++
		switch {
		case state == dotCR && c == '\n':
			*b = lineStart
			return n, true
		case state == cr && c == '\n':
			state = lineStart
		case state == lineStart && c == '.':
			state = dot
		case state == dot && c == '\r':
			state = dotCR
		case c == '\r':
			state = cr
		default:
			state = within
		}
	}
	*b = state
	return n, false
}
