// Package rpchttp reads and writes the RTS PDUs of RPC over HTTP version 2, by
// which Outlook Anywhere makes one virtual connection out of two HTTP requests:
// an IN channel, whose request body never ends, and an OUT channel, whose
// response body never ends. Channels are replaced while the connection lives.
//
// Implemented: [MS-RPCH], Section 2.2.3 (header and commands), and of Section
// 2.2.4 the PDUs that clients begin a channel with and those that a test needs.
// Not implemented: the PDUs between proxies and servers, the state machines of
// Section 3, version 1.
package rpchttp

import (
	"encoding/binary"
	"errors"
	"iter"
)

// HeaderOctets is the length of the header of an RTS PDU.
const HeaderOctets = 20

const (
	version     = 5
	ptypeRTS    = 20
	firstLast   = 3    // PFC_FIRST_FRAG and PFC_LAST_FRAG: an RTS PDU is never fragmented
	littleASCII = 0x10 // of packed_drep: little-endian, ASCII
)

// Offsets in the header ([MS-RPCH], Section 2.2.3.6.1).
const (
	atType     = 2
	atFlags    = 3
	atDrep     = 4
	atLength   = 8
	atAuth     = 10
	atRTSFlags = 16
	atCommands = 18
)

// Flags are the flags of an RTS PDU ([MS-RPCH], Section 2.2.3.6.1).
type Flags uint16

// The flags.
const (
	Ping           Flags = 0x0001
	OtherCommand   Flags = 0x0002
	RecycleChannel Flags = 0x0004
	InChannel      Flags = 0x0008
	OutChannel     Flags = 0x0010
	EOF            Flags = 0x0020
	Echo           Flags = 0x0040
)

// Command is the type of an RTS command ([MS-RPCH], Section 2.2.3.5).
type Command uint32

// The commands.
const (
	ReceiveWindowSize Command = iota
	FlowControlAck
	ConnectionTimeout
	ChannelCookie
	ChannelLifetime
	ClientKeepalive
	Version
	Empty
	Padding
	NegativeANCE
	ANCE
	ClientAddress
	AssociationGroupID
	Destination
	PingTrafficSentNotify
	commands
)

// payloads are the octets behind the type of each command; -1: it says so itself.
var payloads = [commands]int{
	ReceiveWindowSize: 4, FlowControlAck: 24, ConnectionTimeout: 4, ChannelCookie: 16, ChannelLifetime: 4,
	ClientKeepalive: 4, Version: 4, Empty: 0, Padding: -1, NegativeANCE: 0, ANCE: 0, ClientAddress: -1,
	AssociationGroupID: 16, Destination: 4, PingTrafficSentNotify: 4,
}

// Errors of Parse.
var (
	ErrNoRTS     = errors.New("rpchttp: not an RTS PDU")
	ErrCommands  = errors.New("rpchttp: commands do not fill the RTS PDU")
	errTruncated = errors.New("rpchttp: RTS PDU is cut off")
)

// Cookie names a virtual connection, a channel or an association group.
type Cookie [16]byte

// IsZero reports whether c names nothing.
func (c Cookie) IsZero() bool { return c == Cookie{} }

// PDU is an RTS PDU that was read. It points into what it was read from.
type PDU struct {
	Flags    Flags
	Commands int // how many
	body     []byte
}

// Parse reads the RTS PDU that p begins with and returns its length.
func Parse(p []byte) (PDU, int, error) {
	h, err := parseHeader(p)
	if err != nil {
		return PDU{}, 0, err
	}
	if h.length > len(p) {
		return PDU{}, 0, errTruncated
	}
	pdu := PDU{Flags: h.flags, Commands: h.commands, body: p[HeaderOctets:h.length]}
	rest := pdu.body
	for range pdu.Commands {
		_, payload, ok := cut(rest)
		if !ok {
			return PDU{}, 0, ErrCommands
		}
		rest = rest[4+len(payload):]
	}
	if len(rest) > 0 {
		return PDU{}, 0, ErrCommands
	}
	return pdu, h.length, nil
}

// header is what the header of an RTS PDU says.
type header struct {
	flags    Flags
	commands int
	length   int // of the whole PDU, in octets
}

// parseHeader reads a header, of which the first HeaderOctets octets must be there.
func parseHeader(p []byte) (header, error) {
	if len(p) < HeaderOctets {
		return header{}, errTruncated
	}
	h := header{
		flags:    Flags(binary.LittleEndian.Uint16(p[atRTSFlags:])),
		commands: int(binary.LittleEndian.Uint16(p[atCommands:])),
		length:   int(binary.LittleEndian.Uint16(p[atLength:])),
	}
	if p[0] != version || p[1] != 0 || p[atType] != ptypeRTS || p[atFlags] != firstLast || p[atDrep] != littleASCII ||
		binary.LittleEndian.Uint16(p[atAuth:]) != 0 || h.length < HeaderOctets {
		return header{}, ErrNoRTS
	}
	return h, nil
}

// All returns the commands in their order, each with what stands behind its type.
func (p PDU) All() iter.Seq2[Command, []byte] {
	return func(yield func(Command, []byte) bool) {
		rest := p.body
		for range p.Commands {
			kind, payload, _ := cut(rest) // Parse has seen that it is there
			if !yield(kind, payload) {
				return
			}
			rest = rest[4+len(payload):]
		}
	}
}

// cut takes the first command off p; ok is false if it is not complete or has a
// type that there is not.
func cut(p []byte) (kind Command, payload []byte, ok bool) {
	if len(p) < 4 {
		return 0, nil, false
	}
	kind = Command(binary.LittleEndian.Uint32(p))
	if kind >= commands {
		return 0, nil, false
	}
	n := payloads[kind]
	if n < 0 {
		n = sized(kind, p[4:])
	}
	if n < 0 || n > len(p)-4 {
		return 0, nil, false
	}
	return kind, p[4 : 4+n], true
}

// sized returns the octets behind the type of a command that tells them itself;
// -1 if it does not.
func sized(kind Command, p []byte) int {
	const padding = 12 // behind the address of a client
	if len(p) < 4 {
		return -1
	}
	n := binary.LittleEndian.Uint32(p)
	switch {
	case kind == Padding && n <= 0xffff: // [MS-RPCH], Section 2.2.3.5.9
		return 4 + int(n)
	case kind == ClientAddress && n == 0: // IPv4; [MS-RPCH], Section 2.2.3.5.12
		return 4 + 4 + padding
	case kind == ClientAddress && n == 1:
		return 4 + 16 + padding
	default:
		return -1
	}
}
