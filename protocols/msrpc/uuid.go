package msrpc

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// UUID is a UUID with its octets in the order of its text.
type UUID [16]byte

// errUUID tells what a UUID looks like.
var errUUID = errors.New("msrpc: want a UUID like a4f1db00-ca47-1067-b31f-00dd010662da")

// dashes are where a UUID's text has them.
var dashes = [4]int{8, 13, 18, 23}

// ParseUUID reads the text of a UUID, in upper or lower case.
func ParseUUID(s string) (UUID, error) {
	var id UUID
	if len(s) != 36 {
		return id, errUUID
	}
	digits := make([]byte, 0, 32)
	from := 0
	for _, at := range dashes {
		if s[at] != '-' {
			return id, errUUID
		}
		digits = append(digits, s[from:at]...)
		from = at + 1
	}
	digits = append(digits, s[from:]...)
	if _, err := hex.Decode(id[:], digits); err != nil {
		return UUID{}, errUUID
	}
	return id, nil
}

// String returns the text of id, in lower case.
func (id UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// uuidAt reads a UUID: its first three fields are integers in the order of the
// PDU ([C706], Appendix A).
func uuidAt(p []byte, o order) UUID {
	var id UUID
	binary.BigEndian.PutUint32(id[:], o.u32(p))
	binary.BigEndian.PutUint16(id[4:], o.u16(p[4:]))
	binary.BigEndian.PutUint16(id[6:], o.u16(p[6:]))
	copy(id[8:], p[8:16])
	return id
}

// append appends id as it goes over the wire.
func (id UUID) append(dst []byte, o order) []byte {
	dst = o.append32(dst, binary.BigEndian.Uint32(id[:]))
	dst = o.append16(dst, binary.BigEndian.Uint16(id[4:]))
	dst = o.append16(dst, binary.BigEndian.Uint16(id[6:]))
	return append(dst, id[8:]...)
}

// Syntax names an interface, or the form of its parameters on the wire, in one
// version.
type Syntax struct {
	UUID         UUID
	Major, Minor uint16
}

// String returns s as "UUID MAJOR.MINOR".
func (s Syntax) String() string { return fmt.Sprintf("%s %d.%d", s.UUID, s.Major, s.Minor) }

func (s Syntax) append(dst []byte, o order) []byte {
	return o.append32(s.UUID.append(dst, o), uint32(s.Minor)<<16|uint32(s.Major))
}

// The interfaces that are asked for.
var (
	// EPM is the endpoint mapper ([C706], Appendix O).
	EPM = Syntax{UUID: UUID{0xe1, 0xaf, 0x83, 0x08, 0x5d, 0x1f, 0x11, 0xc9, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa}, Major: 3}
	// EMSMDB is RPC Client Access: a mailbox ([MS-OXCRPC], Section 1.9).
	EMSMDB = Syntax{UUID: UUID{0xa4, 0xf1, 0xdb, 0x00, 0xca, 0x47, 0x10, 0x67, 0xb3, 0x1f, 0x00, 0xdd, 0x01, 0x06, 0x62, 0xda}, Minor: 81}
	// NSPI is the address book ([MS-OXNSPI], Section 1.9).
	NSPI = Syntax{UUID: UUID{0xf5, 0xcc, 0x5a, 0x18, 0x42, 0x64, 0x10, 0x1a, 0x8c, 0x59, 0x08, 0x00, 0x2b, 0x2f, 0x84, 0x26}, Major: 56}
	// RFR refers to an address book server ([MS-OXABREF], Section 1.9).
	RFR = Syntax{UUID: UUID{0x15, 0x44, 0xf5, 0xe0, 0x61, 0x3c, 0x11, 0xd1, 0x93, 0xdf, 0x00, 0xc0, 0x4f, 0xd7, 0xbd, 0x09}, Major: 1}
)

// The transfer syntaxes.
var (
	// NDR is [C706], chapter 14.
	NDR = Syntax{UUID: UUID{0x8a, 0x88, 0x5d, 0x04, 0x1c, 0xeb, 0x11, 0xc9, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60}, Major: 2}
	// NDR64 is [MS-RPCE], Section 2.2.5: pointers and counts of 64 bits.
	NDR64 = Syntax{UUID: UUID{0x71, 0x71, 0x05, 0x33, 0xbe, 0xba, 0x49, 0x37, 0x83, 0x19, 0xb5, 0xdb, 0xef, 0x9c, 0xcc, 0x36}, Major: 1}
)

// featurePrefix begins the transfer syntax that is none: its last eight octets
// are features that the client knows ([MS-RPCE], Section 3.3.1.5.3).
var featurePrefix = [8]byte{0x6c, 0xb7, 0x1c, 0x2c, 0x98, 0x12, 0x45, 0x40}

// Features returns the bits of a negotiation at bind time ([MS-RPCE], Section
// 2.2.2.14), and false if s is a transfer syntax.
func (s Syntax) Features() (bits uint64, ok bool) {
	if [8]byte(s.UUID[:8]) != featurePrefix || s.Major != 1 || s.Minor != 0 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(s.UUID[8:]), true
}

// FeatureSyntax returns the syntax that offers features.
func FeatureSyntax(bits uint64) Syntax {
	s := Syntax{Major: 1}
	copy(s.UUID[:], featurePrefix[:])
	binary.LittleEndian.PutUint64(s.UUID[8:], bits)
	return s
}
