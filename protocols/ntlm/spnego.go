package ntlm

// Unwrap returns the NTLM message in t, which is the message itself or a SPNEGO
// token around it, and false if there is none, as in a Kerberos ticket.
func Unwrap(t Token) (Token, bool) {
	if t.Type() != None {
		return t, true
	}
	inner, ok := mechToken(t)
	return inner, ok && inner.Type() != None
}

// UnwrapRaw is Unwrap for octets. The result is part of token.
func UnwrapRaw(token []byte) ([]byte, bool) {
	t, ok := Unwrap(Raw(token))
	if !ok {
		return nil, false
	}
	return t.src[t.offset : t.offset+t.size], true
}

// The DER tags of SPNEGO (RFC 4178, Section 4.2; RFC 2743, Section 3.1).
const (
	tagOctets      = 0x04
	tagOID         = 0x06
	tagSequence    = 0x30
	tagApplication = 0x60 // InitialContextToken
	tagInit        = 0xa0 // NegTokenInit
	tagResp        = 0xa1 // NegTokenResp
	tagToken       = 0xa2 // mechToken, or responseToken: the third of either
)

// spnegoOID is 1.3.6.1.5.5.2.
const spnegoOID = "\x2b\x06\x01\x05\x05\x02"

// maxElements bounds the elements of a sequence: SPNEGO has four.
const maxElements = 8

// mechToken returns the mechanism's token in a NegTokenInit or NegTokenResp.
func mechToken(t Token) (Token, bool) {
	tag, body, rest, ok := element(t)
	if !ok {
		return Token{}, false
	}
	if tag == tagApplication {
		var oid Token
		if tag, oid, rest, ok = element(body); !ok || tag != tagOID || !oid.is(spnegoOID) {
			return Token{}, false
		}
		if tag, body, _, ok = element(rest); !ok || tag != tagInit {
			return Token{}, false
		}
	} else if tag != tagResp && tag != tagInit {
		return Token{}, false
	}
	tag, seq, _, ok := element(body)
	if !ok || tag != tagSequence {
		return Token{}, false
	}
	for range maxElements {
		if tag, body, seq, ok = element(seq); !ok {
			return Token{}, false
		}
		if tag == tagToken {
			tag, inner, _, ok := element(body)
			return inner, ok && tag == tagOctets
		}
	}
	return Token{}, false
}

// element takes the first DER element off t. Lengths are definite and of at most
// four octets, as many as head has room for, and an element lies within what
// holds it.
func element(t Token) (tag byte, body, rest Token, ok bool) {
	var head [6]byte
	n := min(len(head), t.size)
	if n < 2 || !t.readAt(head[:n], 0) {
		return 0, Token{}, Token{}, false
	}
	length, used := int(head[1]), 2
	if length >= 0x80 {
		octets := length & 0x7f
		if octets == 0 || n < 2+octets {
			return 0, Token{}, Token{}, false
		}
		length = 0
		for _, c := range head[2 : 2+octets] {
			length = length<<8 | int(c)
		}
		used += octets
	}
	if body, ok = t.slice(used, length); !ok {
		return 0, Token{}, Token{}, false
	}
	rest, ok = t.slice(used+length, t.size-used-length)
	return head[0], body, rest, ok
}

// is reports whether t holds exactly the octets of s.
func (t Token) is(s string) bool {
	var b [16]byte
	return t.size == len(s) && len(s) <= len(b) && t.readAt(b[:len(s)], 0) && string(b[:len(s)]) == s
}
