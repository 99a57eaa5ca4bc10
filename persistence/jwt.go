package persistence

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"unicode/utf8"
)

// claims are what may name the user of a bearer token, the best first. A subject
// is an identity of its own; the others are names that a user may also log in
// with, and then count as the same.
var claims = [...]string{subjectClaim, "upn", "unique_name", "preferred_username"}

const subjectClaim = "sub"

// subjectMark begins the identity of a subject, so that nobody's login name
// equals it: it cannot occur in a JSON string.
const subjectMark = '"'

// appendClaim appends to dst the best of the claims of the JSON Web Token (RFC
// 7519): a subject as it stands, behind its mark, and any other name in lower
// case. The signature is not looked at.
func appendClaim(dst, token []byte, claims []string) ([]byte, bool) {
	_, rest, ok := bytes.Cut(token, dot)
	if !ok {
		return dst, false
	}
	payload, _, ok := bytes.Cut(rest, dot)
	if !ok {
		return dst, false
	}
	s := jsonScanner{text: bytes.TrimRight(payload, "="), claims: claims}
	var room [maxIdentity]byte
	found, rank := s.claim(room[:0])
	switch {
	case len(found) == 0:
		return dst, false
	case claims[rank] != subjectClaim:
		return appendLower(dst, unescapeJSON(found))
	case len(dst)+1+len(found) > cap(dst):
		return dst, false
	}
	dst = append(dst, subjectMark)
	return append(dst, found...), true
}

var dot = []byte(".")

// unescapeJSON replaces in text, in place, what encoders escape in a name
// (RFC 8259, Section 7): a backslash, a slash and characters by their number.
// Other escapes stay: a name has none of these characters, and a quotation mark
// is subjectMark.
func unescapeJSON(text []byte) []byte {
	out := text[:0]
	for len(text) > 0 {
		r, n := unescapedRune(text)
		if n == 0 {
			out, text = append(out, text[0]), text[1:]
			continue
		}
		out, text = utf8.AppendRune(out, r), text[n:]
	}
	return out
}

// unescapedRune returns the character of the escape that text begins with, and
// the length of the escape; 0 if there is none that counts.
func unescapedRune(text []byte) (r rune, n int) {
	switch {
	case len(text) < 2 || text[0] != '\\':
		return 0, 0
	case text[1] == '\\' || text[1] == '/':
		return rune(text[1]), 2
	case text[1] != 'u' || len(text) < 6:
		return 0, 0
	}
	var code [2]byte
	_, err := hex.Decode(code[:], text[2:6])
	r = rune(code[0])<<8 | rune(code[1])
	if err != nil || r <= ' ' || r == subjectMark || !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, 6
}

// jsonScanner reads the members of one JSON object (RFC 8259) from base64url
// text, a few octets at a time: a token may be longer than any buffer. It is not
// a validator; from what is not JSON it reads nothing or something, but always
// the same.
type jsonScanner struct {
	claims []string // what is looked for, the best first
	text   []byte   // not decoded yet
	buf    [48]byte
	next   int // in buf
	have   int
}

// claim returns the best claim that is a string with at most cap(room) octets,
// as it stands in the JSON text, and its rank; nothing if there is none, or if
// one is empty or too long.
func (s *jsonScanner) claim(room []byte) (found []byte, rank int) {
	rank = len(s.claims)
	if s.skipSpace() != '{' {
		return nil, rank
	}
	for {
		var nameRoom [32]byte
		name, ok := s.member(nameRoom[:0])
		if !ok {
			return room, rank
		}
		c := s.skipSpace()
		if r := s.rankOf(name); c == '"' && r < rank {
			if room, ok = s.str(room[:0]); !ok || len(room) == 0 {
				return nil, len(s.claims)
			}
			if rank = r; rank == 0 {
				return room, rank
			}
			continue
		}
		s.skipValue(c)
	}
}

// rankOf returns the place of a member in claims; their number if it has none.
func (s *jsonScanner) rankOf(name []byte) int {
	for i := range s.claims {
		if string(name) == s.claims[i] {
			return i
		}
	}
	return len(s.claims)
}

// member reads up to the value of the next member and returns its name.
func (s *jsonScanner) member(room []byte) (name []byte, ok bool) {
	c := s.skipSpace()
	if c == ',' {
		c = s.skipSpace()
	}
	if c != '"' {
		return nil, false
	}
	name, ok = s.str(room)
	if !ok {
		name = name[:0] // too long for any claim
	}
	return name, s.skipSpace() == ':'
}

// str reads a string whose opening quote was read. It reports false if the
// string does not end, or did not fit.
func (s *jsonScanner) str(room []byte) ([]byte, bool) {
	fits, escaped := true, false
	for {
		c := s.octet()
		switch {
		case c == 0:
			return room, false
		case c == '"' && !escaped:
			return room, fits
		}
		escaped = c == '\\' && !escaped
		if len(room) == cap(room) {
			fits = false
			continue
		}
		room = append(room, c)
	}
}

// skipValue passes over a value that begins with c.
func (s *jsonScanner) skipValue(c byte) {
	depth := 0
	for ; c != 0; c = s.octet() {
		switch c {
		case '"':
			s.str(nil)
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth < 0 || depth == 0 && (c == '"' || c == '}' || c == ']') {
			return
		}
		if depth == 0 && s.peek() == ',' {
			return
		}
	}
}

// skipSpace returns the first octet that is not white space, 0 at the end.
func (s *jsonScanner) skipSpace() byte {
	for {
		switch c := s.octet(); c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
}

// octet returns the next octet, 0 at the end; no JSON text holds a zero.
func (s *jsonScanner) octet() byte {
	c := s.peek()
	if c != 0 {
		s.next++
	}
	return c
}

func (s *jsonScanner) peek() byte {
	if s.next == s.have {
		n := min(len(s.text), base64.RawURLEncoding.EncodedLen(len(s.buf)))
		got, err := base64.RawURLEncoding.Decode(s.buf[:], s.text[:n])
		s.text = s.text[n:]
		if err != nil {
			s.text, got = nil, 0
		}
		s.next, s.have = 0, got
		if got == 0 {
			return 0
		}
	}
	return s.buf[s.next]
}
