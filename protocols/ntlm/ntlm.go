// Package ntlm reads and writes the NTLM messages that clients and servers
// exchange in HTTP headers, alone or wrapped in SPNEGO: it says who a client
// claims to be. It verifies nothing and does no cryptography.
//
// Specifications: [MS-NLMP] (messages), RFC 4178 and [MS-SPNG] (SPNEGO),
// RFC 4559 (Negotiate in HTTP).
package ntlm

import (
	"encoding/binary"
	"errors"
)

// Type is the type of an NTLM message.
type Type uint32

// The types ([MS-NLMP], Section 2.2.1). The zero value is no NTLM message.
const (
	None             Type = 0
	NegotiateType    Type = 1
	ChallengeType    Type = 2
	AuthenticateType Type = 3
)

// Flags are the NegotiateFlags of a message ([MS-NLMP], Section 2.2.2.5).
type Flags uint32

// The flags that say how to read a message or build a challenge.
const (
	Unicode                 Flags = 1 << 0
	OEM                     Flags = 1 << 1
	RequestTarget           Flags = 1 << 2
	NTLM                    Flags = 1 << 9
	Anonymous               Flags = 1 << 11
	DomainSupplied          Flags = 1 << 12
	WorkstationSupplied     Flags = 1 << 13
	AlwaysSign              Flags = 1 << 15
	TargetTypeDomain        Flags = 1 << 16
	TargetTypeServer        Flags = 1 << 17
	ExtendedSessionSecurity Flags = 1 << 19
	HasTargetInfo           Flags = 1 << 23
	HasVersion              Flags = 1 << 25
	Key128                  Flags = 1 << 29
	KeyExchange             Flags = 1 << 30
	Key56                   Flags = 1 << 31
)

// Lengths of the fixed parts, in octets, up to and with NegotiateFlags or, in a
// challenge, TargetInfoFields.
const (
	negotiateHeader    = 16
	challengeHeader    = 32
	challengeFull      = 48
	authenticateHeader = 64
)

const signature = "NTLMSSP\x00"

// maxField bounds a name, in octets as they are sent: 256 characters are more
// than Windows allows for a user, a domain or a computer.
const maxField = 512

// errMessage is every way in which octets are not the message that they should be.
var errMessage = errors.New("ntlm: malformed message")

// TypeOf returns the type of the raw message msg, None if it is not NTLM.
func TypeOf(msg []byte) Type { return Raw(msg).Type() }

// span is where a field stands in its message: Len and BufferOffset of the
// Fields structures. MaxLen is to be ignored.
type span struct{ length, offset int }

func spanAt(b []byte) span {
	return span{
		length: int(binary.LittleEndian.Uint16(b)),
		offset: int(binary.LittleEndian.Uint32(b[4:])),
	}
}

// of returns the field in msg. A field lies behind the fixed part and within the
// message; an empty one may point anywhere, as some clients leave it.
func (s span) of(msg []byte, header int) ([]byte, bool) {
	switch {
	case s.length == 0:
		return nil, true
	case s.offset < header || s.offset > len(msg)-s.length:
		return nil, false
	}
	return msg[s.offset : s.offset+s.length], true
}
