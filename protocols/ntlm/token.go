package ntlm

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// Token is what stands behind a scheme in a header: an NTLM or SPNEGO message.
// It decodes only what is asked for, so that a ticket of 64 KB costs no more
// than a short one.
type Token struct {
	src    []byte
	text   bool // src is base64
	offset int  // where the token begins in what src stands for
	size   int
}

// Raw returns the token with the octets msg.
func Raw(msg []byte) Token { return Token{src: msg, size: len(msg)} }

// Base64 returns the token that text stands for in base64, with or without
// padding. It keeps text.
func Base64(text []byte) Token {
	text = bytes.TrimRight(text, "=")
	return Token{src: text, text: true, size: base64.RawStdEncoding.DecodedLen(len(text))}
}

// Len returns the length of the token in octets.
func (t Token) Len() int { return t.size }

// slice returns the n octets of t from offset on.
func (t Token) slice(offset, n int) (Token, bool) {
	if offset < 0 || n < 0 || offset > t.size-n {
		return Token{}, false
	}
	t.offset += offset
	t.size = n
	return t, true
}

// window is how many octets are decoded at a time.
const window = 96

// readAt fills p with the octets of t from offset on. It reports false if t has
// less, or is not base64 there.
func (t Token) readAt(p []byte, offset int) bool {
	if _, ok := t.slice(offset, len(p)); !ok {
		return false
	}
	offset += t.offset
	if !t.text {
		copy(p, t.src[offset:])
		return true
	}
	for len(p) > 0 {
		group := offset / 3
		text := t.src[group*4:]
		text = text[:min(len(text), window/3*4)]
		var plain [window]byte
		n, err := base64.RawStdEncoding.Decode(plain[:], text)
		if skip := offset - group*3; err == nil && n > skip {
			n = copy(p, plain[skip:n])
			p, offset = p[n:], offset+n
			continue
		}
		return false
	}
	return true
}

// Type returns the type of an NTLM message, None if t is not one.
func (t Token) Type() Type {
	var head [12]byte
	if !t.readAt(head[:], 0) || string(head[:8]) != signature {
		return None
	}
	switch typ := Type(binary.LittleEndian.Uint32(head[8:])); typ {
	case NegotiateType, ChallengeType, AuthenticateType:
		return typ
	default:
		return None
	}
}
