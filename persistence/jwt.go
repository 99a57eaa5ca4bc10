package persistence

import (
	"bytes"
	"encoding/base64"
)

// claims are what may name the user of a bearer token, the best first. A subject
// is an identity of its own; the others are names that a user may also log in
// with, and then count as the same.
var claims = [...]string{"sub", "upn", "unique_name", "preferred_username"}

// subjectMark begins the identity of a subject, so that nobody's login name
// equals it: it cannot occur in a JSON string.
const subjectMark = '"'

// appendSubject appends to dst the subject of the JSON Web Token (RFC 7519), or
// else the user that another claim names. The signature is not looked at.
func appendSubject(dst, token []byte) ([]byte, bool) {
	_, rest, ok := bytes.Cut(token, dot)
	if !ok {
		return dst, false
	}
	payload, _, ok := bytes.Cut(rest, dot)
	if !ok {
		return dst, false
	}
	s := jsonScanner{text: bytes.TrimRight(payload, "=")}
	var room [maxIdentity]byte
	found, rank := s.claim(room[:0])
	switch {
	case len(found) == 0:
		return dst, false
	case rank > 0:
		return appendLower(dst, found)
	case len(dst)+1+len(found) > cap(dst):
		return dst, false
	}
	dst = append(dst, subjectMark)
	return append(dst, found...), true
}

var dot = []byte(".")

// jsonScanner reads the members of one JSON object (RFC 8259) from base64url
// text, a few octets at a time: a token may be longer than any buffer. It is not
// a validator; from what is not JSON it reads nothing or something, but always
// the same.
type jsonScanner struct {
	text []byte // not decoded yet
	buf  [48]byte
	next int // in buf
	have int
}

// claim returns the best claim that is a string with at most cap(room) octets,
// as it stands in the JSON text, and its rank; nothing if there is none, or if
// one is empty or too long.
func (s *jsonScanner) claim(room []byte) (found []byte, rank int) {
	rank = len(claims)
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
		if r := rankOf(name); c == '"' && r < rank {
			if room, ok = s.str(room[:0]); !ok || len(room) == 0 {
				return nil, len(claims)
			}
			if rank = r; rank == 0 {
				return room, rank
			}
			continue
		}
		s.skipValue(c)
	}
}

// rankOf returns the place of a member in claims; len(claims) if it has none.
func rankOf(name []byte) int {
	for i := range claims {
		if string(name) == claims[i] {
			return i
		}
	}
	return len(claims)
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
