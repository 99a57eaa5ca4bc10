package httphead

import (
	"encoding/binary"
	"math/bits"
)

// The classes of octets. An octet may be in several.
const (
	inToken  = 1 << iota // RFC 9110, Section 5.6.2
	inTarget             // visible ASCII but "#": a fragment is never sent
	inHost               // of a registered name or an IPv4 address
	inIPv6               // of an IPv6 literal, between its brackets
)

var class = classes()

func classes() (t [256]uint8) {
	for c := '!'; c <= '~'; c++ {
		t[c] |= inTarget
	}
	t['#'] &^= inTarget
	for _, c := range "0123456789abcdefABCDEF" {
		t[c] |= inIPv6
	}
	t[':'] |= inIPv6
	t['.'] |= inIPv6
	for c := range t {
		if isAlnum(byte(c)) {
			t[c] |= inToken | inHost
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= inToken
	}
	for _, c := range "-._~" {
		t[c] |= inHost
	}
	return t
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// all reports whether every octet of b is in the class.
func all(b []byte, in uint8) bool {
	for _, c := range b {
		if class[c]&in == 0 {
			return false
		}
	}
	return true
}

// control returns the index of the first octet of b that is a control (0 to 31
// or 127), or len(b).
func control(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		// Eight octets at a time: the borrow of a subtraction shows the
		// octets below 32, and those that 127 was taken from to zero.
		w := binary.LittleEndian.Uint64(b[i:])
		del := w ^ ones*0x7f
		if m := ((w-ones*0x20)&^w | (del-ones)&^del) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(b); i++ {
		if b[i] < 0x20 || b[i] == 0x7f {
			return i
		}
	}
	return len(b)
}

// trim cuts spaces and tabs off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// EqualFold compares ASCII text without case; low is in lower case.
func EqualFold(b []byte, low string) bool {
	if len(b) != len(low) {
		return false
	}
	for i, c := range b {
		if lower(c) != low[i] {
			return false
		}
	}
	return true
}
