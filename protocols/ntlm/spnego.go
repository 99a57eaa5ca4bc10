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
	e, ok := cutElement(t)
	if !ok {
		return Token{}, false
	}
	if e.tag == tagApplication {
		oid, ok := cutElement(e.body)
		if !ok || oid.tag != tagOID || !oid.body.is(spnegoOID) {
			return Token{}, false
		}
		if e, ok = cutElement(oid.rest); !ok || e.tag != tagInit {
			return Token{}, false
		}
	} else if e.tag != tagResp && e.tag != tagInit {
		return Token{}, false
	}
	seq, ok := cutElement(e.body)
	if !ok || seq.tag != tagSequence {
		return Token{}, false
	}
	e.rest = seq.body
	for range maxElements {
		if e, ok = cutElement(e.rest); !ok {
			return Token{}, false
		}
		if e.tag == tagToken {
			inner, ok := cutElement(e.body)
			return inner.body, ok && inner.tag == tagOctets
		}
	}
	return Token{}, false
}

// element is a DER element.
type element struct {
	tag  byte
	body Token
	rest Token // what follows the element in what holds it
}

// cutElement takes the first DER element off t. Lengths are definite and of at
// most four octets, as many as head has room for, and an element lies within
// what holds it.
func cutElement(t Token) (element, bool) {
	var head [6]byte
	n := min(len(head), t.size)
	if n < 2 || !t.readAt(head[:n], 0) {
		return element{}, false
	}
	length, used := int(head[1]), 2
	if length >= 0x80 {
		octets := length & 0x7f
		if octets == 0 || n < 2+octets {
			return element{}, false
		}
		length = 0
		for _, c := range head[2 : 2+octets] {
			length = length<<8 | int(c)
		}
		used += octets
	}
	body, ok := t.slice(used, length)
	if !ok {
		return element{}, false
	}
	rest, ok := t.slice(used+length, t.size-used-length)
	return element{tag: head[0], body: body, rest: rest}, ok
}

// is reports whether t holds exactly the octets of s.
func (t Token) is(s string) bool {
	var b [16]byte
	return t.size == len(s) && len(s) <= len(b) && t.readAt(b[:len(s)], 0) && string(b[:len(s)]) == s
}
