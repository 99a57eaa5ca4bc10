package msrpc

import "errors"

// Type is the type of a PDU: PTYPE.
type Type uint8

// The types of the connection-oriented protocol ([C706], Section 12.6.4;
// [MS-RPCE], Section 2.2.2.1 for auth3; [MS-RPCH], Section 2.2.3.6 for RTS).
const (
	TypeRequest      Type = 0
	TypeResponse     Type = 2
	TypeFault        Type = 3
	TypeBind         Type = 11
	TypeBindAck      Type = 12
	TypeBindNak      Type = 13
	TypeAlterContext Type = 14
	TypeAlterResp    Type = 15
	TypeAuth3        Type = 16
	TypeShutdown     Type = 17
	TypeCancel       Type = 18
	TypeOrphaned     Type = 19
	TypeRTS          Type = 20
)

// Types is a set of types.
type Types uint32

// Of returns the set of the types given.
func Of(types ...Type) Types {
	var s Types
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

// Has reports whether t is in s.
func (s Types) Has(t Type) bool { return t < 32 && s&(1<<t) != 0 }

// connectionOriented are the types that may come over a connection.
var connectionOriented = Of(TypeRequest, TypeResponse, TypeFault, TypeBind, TypeBindAck, TypeBindNak, TypeAlterContext,
	TypeAlterResp, TypeAuth3, TypeShutdown, TypeCancel, TypeOrphaned, TypeRTS)

// Flags are the pfc_flags of a PDU ([C706], Section 12.6.1).
type Flags uint8

// The flags that are looked at.
const (
	First     Flags = 0x01 // the first fragment
	Last      Flags = 0x02 // the last one
	HasObject Flags = 0x80 // a request names an object
)

// Drep is the data representation of a PDU: byte order, characters, floating
// point ([C706], Section 14.1).
type Drep [4]byte

// LittleEndian is what Windows sends: little-endian, ASCII, IEEE.
var LittleEndian = Drep{0x10}

// BigEndian reports whether integers are big-endian.
func (d Drep) BigEndian() bool { return d[0]>>4 == 0 }

func (d Drep) order() order { return order(d.BigEndian()) }

const (
	headerSize = 16
	// MaxPDU is the length of the longest PDU there can be, in octets.
	MaxPDU = 65535
	// trailerSize is a sec_trailer ([MS-RPCE], Section 2.2.2.11), which comes
	// before the auth_value.
	trailerSize = 8
)

// Header is what all PDUs begin with ([C706], Section 12.6.1).
type Header struct {
	Minor      uint8 // of protocol version 5: 0 or 1
	Type       Type
	Flags      Flags
	Drep       Drep
	Length     int // of the whole PDU, in octets: frag_length
	AuthLength int // of the auth_value, in octets; 0: no trailer
	Call       uint32
}

// ErrHeader tells that octets are not the header of a PDU.
var ErrHeader = errors.New("msrpc: not the header of a connection-oriented PDU, version 5.0 or 5.1")

// ErrPDU tells that a PDU is not made as its type has to be.
var ErrPDU = errors.New("msrpc: malformed PDU")

// ParseHeader reads the header of a PDU from its first 16 octets.
func ParseHeader(p []byte) (Header, error) {
	if len(p) < headerSize || p[0] != 5 || p[1] > 1 || p[4]>>4 > 1 {
		return Header{}, ErrHeader
	}
	h := Header{Minor: p[1], Type: Type(p[2]), Flags: Flags(p[3]), Drep: Drep(p[4:8])}
	o := h.Drep.order()
	h.Length, h.AuthLength, h.Call = int(o.u16(p[8:])), int(o.u16(p[10:])), o.u32(p[12:])
	if !connectionOriented.Has(h.Type) || h.Length < headerSize || h.AuthLength > 0 && h.Length < headerSize+trailerSize+h.AuthLength {
		return Header{}, ErrHeader
	}
	return h, nil
}

// begin appends h, whose lengths finish fills in.
func (h *Header) begin(dst []byte) []byte {
	dst = append(dst, 5, h.Minor, byte(h.Type), byte(h.Flags))
	dst = append(dst, h.Drep[:]...)
	dst = append(dst, 0, 0, 0, 0)
	return h.Drep.order().append32(dst, h.Call)
}

// finish appends the trailer to the PDU that begins at start, and fills in the
// lengths. It returns the PDU's octets with what stood before.
func (h *Header) finish(dst []byte, start int, a *Auth) []byte {
	o := h.Drep.order()
	if a.Present() {
		pad := 0
		for (len(dst)-start)%4 != 0 {
			dst = append(dst, 0)
			pad++
		}
		dst = append(dst, a.Type, byte(a.Level), byte(pad), 0)
		dst = o.append32(dst, a.Context)
		dst = append(dst, a.Value...)
		o.put16(dst[start+10:], uint16(len(a.Value)))
	}
	n := len(dst) - start
	if n > MaxPDU {
		panic("BUG: msrpc: a PDU is built that is longer than 65535 octets")
	}
	o.put16(dst[start+8:], uint16(n))
	return dst
}

// Level is what an authentication protects ([MS-RPCE], Section 2.2.1.1.8).
type Level uint8

// The levels.
const (
	LevelDefault   Level = 0 // connect
	LevelNone      Level = 1
	LevelConnect   Level = 2 // who is there, at the bind; calls are not protected
	LevelCall      Level = 3
	LevelPacket    Level = 4
	LevelIntegrity Level = 5 // signed
	LevelPrivacy   Level = 6 // sealed
)

// Auth is the authentication trailer of a PDU ([MS-RPCE], Section 2.2.2.11).
type Auth struct {
	Type    uint8 // of the security provider
	Level   Level
	Context uint32
	Value   []byte
}

// Present reports whether there is a trailer.
func (a *Auth) Present() bool { return len(a.Value) > 0 }

// Protects reports whether the PDU may not be changed: it is signed or sealed,
// or might be.
func (a *Auth) Protects() bool { return a.Present() && a.Level > LevelConnect }

// body reads a PDU behind its header, up to its trailer and that one's padding.
type body struct {
	cursor

	header Header
	auth   Auth
}

// open returns the body of pdu, which is whole and of one of the types.
func open(pdu []byte, types Types) (body, error) {
	h, err := ParseHeader(pdu)
	if err != nil {
		return body{}, err
	}
	if len(pdu) != h.Length || !types.Has(h.Type) {
		return body{}, ErrPDU
	}
	var a Auth
	end, o := h.Length, h.Drep.order()
	if h.AuthLength > 0 {
		end -= h.AuthLength + trailerSize
		t := pdu[end:]
		a = Auth{Type: t[0], Level: Level(t[1]), Context: o.u32(t[4:]), Value: t[trailerSize:]}
		end -= int(t[2]) // auth_pad_length
		if end < headerSize {
			return body{}, ErrPDU
		}
	}
	return body{cursor: cursor{b: pdu[:end:end], at: headerSize, o: o}, header: h, auth: a}, nil
}
