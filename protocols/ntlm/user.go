package ntlm

import (
	"encoding/binary"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendUser appends to dst, which it does not grow, the user that a type 3
// message claims to come from, as domain\user in lower case, or the user alone
// where no domain is given. It reports false if t holds no such message, if it
// is anonymous, and if dst is too short. It allocates nothing.
func AppendUser(dst []byte, t Token) ([]byte, bool) {
	m, ok := Unwrap(t)
	if !ok || m.Type() != AuthenticateType {
		return dst, false
	}
	var head [authenticateHeader]byte
	if !m.readAt(head[:], 0) {
		return dst, false
	}
	flags := Flags(binary.LittleEndian.Uint32(head[60:]))
	domain, user := spanAt(head[28:]), spanAt(head[36:])
	if user.length == 0 || flags&Anonymous != 0 {
		return dst, false
	}
	out := dst
	if domain.length > 0 {
		if out, ok = m.appendName(out, domain, flags); !ok || len(out) == cap(out) {
			return dst, false
		}
		out = append(out, '\\')
	}
	if out, ok = m.appendName(out, user, flags); !ok {
		return dst, false
	}
	return out, true
}

// appendName appends a field of the message in lower case.
func (t Token) appendName(dst []byte, s span, flags Flags) ([]byte, bool) {
	if s.length > maxField || s.offset < authenticateHeader {
		return dst, false
	}
	var room [maxField]byte
	name := room[:s.length]
	if !t.readAt(name, s.offset) {
		return dst, false
	}
	if flags&Unicode == 0 {
		return appendOEM(dst, name)
	}
	return appendUTF16(dst, name)
}

// appendOEM appends text in the client's code page, of which only the ASCII part
// is known here.
func appendOEM(dst, name []byte) ([]byte, bool) {
	if len(dst)+len(name) > cap(dst) {
		return dst, false
	}
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst, true
}

// appendUTF16 appends little-endian UTF-16 as UTF-8 in lower case.
func appendUTF16(dst, name []byte) ([]byte, bool) {
	if len(name)%2 != 0 {
		return dst, false
	}
	for len(name) > 0 {
		if len(dst)+utf8.UTFMax > cap(dst) {
			return dst, false
		}
		r := rune(binary.LittleEndian.Uint16(name))
		name = name[2:]
		if utf16.IsSurrogate(r) && len(name) > 0 {
			if pair := utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(name))); pair != unicode.ReplacementChar {
				r, name = pair, name[2:]
			}
		}
		dst = utf8.AppendRune(dst, unicode.ToLower(r))
	}
	return dst, true
}
