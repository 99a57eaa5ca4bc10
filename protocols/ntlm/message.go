package ntlm

import (
	"encoding/binary"
	"unicode/utf16"
)

// Negotiate is a type 1 message ([MS-NLMP], Section 2.2.1.1). Its slices are
// parts of the message.
type Negotiate struct {
	Flags               Flags
	Domain, Workstation []byte // in the OEM code page
}

// ParseNegotiate reads a type 1 message. Domain and Workstation are empty where
// the flags do not announce them.
func ParseNegotiate(msg []byte) (Negotiate, error) {
	if len(msg) < negotiateHeader || TypeOf(msg) != NegotiateType {
		return Negotiate{}, errMessage
	}
	n := Negotiate{Flags: Flags(binary.LittleEndian.Uint32(msg[12:]))}
	var ok bool
	if n.Flags&DomainSupplied != 0 && len(msg) >= 24 {
		if n.Domain, ok = spanAt(msg[16:]).of(msg, 24); !ok {
			return Negotiate{}, errMessage
		}
	}
	if n.Flags&WorkstationSupplied != 0 && len(msg) >= 32 {
		if n.Workstation, ok = spanAt(msg[24:]).of(msg, 32); !ok {
			return Negotiate{}, errMessage
		}
	}
	return n, nil
}

// Challenge is a type 2 message ([MS-NLMP], Section 2.2.1.2). Its slices are
// parts of the message.
type Challenge struct {
	Flags           Flags
	ServerChallenge [8]byte
	TargetName      []byte // UTF-16LE or OEM, as Flags say
	TargetInfo      []byte // AV_PAIRs, see AppendPair and Pair
}

// ParseChallenge reads a type 2 message.
func ParseChallenge(msg []byte) (Challenge, error) {
	if len(msg) < challengeHeader || TypeOf(msg) != ChallengeType {
		return Challenge{}, errMessage
	}
	c := Challenge{
		Flags:           Flags(binary.LittleEndian.Uint32(msg[20:])),
		ServerChallenge: [8]byte(msg[24:32]),
	}
	var ok bool
	if c.TargetName, ok = spanAt(msg[12:]).of(msg, challengeHeader); !ok {
		return Challenge{}, errMessage
	}
	if c.Flags&HasTargetInfo != 0 {
		if len(msg) < challengeFull {
			return Challenge{}, errMessage
		}
		if c.TargetInfo, ok = spanAt(msg[40:]).of(msg, challengeFull); !ok {
			return Challenge{}, errMessage
		}
	}
	return c, nil
}

// AppendTo appends the message to dst.
func (c *Challenge) AppendTo(dst []byte) []byte {
	name, info := len(c.TargetName), len(c.TargetInfo)
	dst = append(dst, signature...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(ChallengeType))
	dst = appendSpan(dst, span{name, challengeFull})
	dst = binary.LittleEndian.AppendUint32(dst, uint32(c.Flags))
	dst = append(dst, c.ServerChallenge[:]...)
	dst = append(dst, make([]byte, 8)...) // Reserved
	dst = appendSpan(dst, span{info, challengeFull + name})
	dst = append(dst, c.TargetName...)
	return append(dst, c.TargetInfo...)
}

func appendSpan(dst []byte, s span) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(s.length))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(s.length))
	return binary.LittleEndian.AppendUint32(dst, uint32(s.offset))
}

// Authenticate is a type 3 message ([MS-NLMP], Section 2.2.1.3). Its slices are
// parts of the message; text is UTF-16LE or OEM, as Flags say.
type Authenticate struct {
	Flags        Flags
	LM, NT       []byte // the responses; an NTLMv2 response is a proof of 16 octets and what it proves
	Domain, User []byte
	Workstation  []byte
	SessionKey   []byte // encrypted, with KeyExchange
}

// ParseAuthenticate reads a type 3 message.
func ParseAuthenticate(msg []byte) (Authenticate, error) {
	if len(msg) < authenticateHeader || TypeOf(msg) != AuthenticateType {
		return Authenticate{}, errMessage
	}
	a := Authenticate{Flags: Flags(binary.LittleEndian.Uint32(msg[60:]))}
	for _, f := range []struct {
		at  int
		dst *[]byte
	}{{12, &a.LM}, {20, &a.NT}, {28, &a.Domain}, {36, &a.User}, {44, &a.Workstation}, {52, &a.SessionKey}} {
		var ok bool
		if *f.dst, ok = spanAt(msg[f.at:]).of(msg, authenticateHeader); !ok {
			return Authenticate{}, errMessage
		}
	}
	return a, nil
}

// IsNTLMv2 reports whether the client answered with NTLMv2: an NTLMv1 response
// has 24 octets, always.
func (a *Authenticate) IsNTLMv2() bool { return len(a.NT) > 24 }

// Text returns a text field as a string.
func (f Flags) Text(field []byte) string {
	if f&Unicode == 0 {
		return string(field)
	}
	u := make([]uint16, len(field)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(field[2*i:])
	}
	return string(utf16.Decode(u))
}

// AppendText appends s to dst as a text field.
func (f Flags) AppendText(dst []byte, s string) []byte {
	if f&Unicode == 0 {
		return append(dst, s...)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		dst = binary.LittleEndian.AppendUint16(dst, u)
	}
	return dst
}
