package lab

import (
	"encoding/binary"
	"errors"
	"io"
)

// RTS PDUs of RPC over HTTP ([MS-RPCH], Section 2.2.3).
const (
	pduHead      = 20 // octets of the header of an RTS PDU
	pduLeast     = 16 // octets of the shortest header of any RPC PDU
	ptypeRTS     = 20
	flagPing     = 0x01
	flagRecycle  = 0x04
	flagEcho     = 0x40
	cookieAt     = 32 // of the virtual connection cookie in the first PDU of any channel
	cookieOctets = 16
)

// RTS commands ([MS-RPCH], Section 2.2.3.5).
const (
	cmdReceiveWindow     = 0
	cmdConnectionTimeout = 2
	cmdCookie            = 3
	cmdChannelLifetime   = 4
	cmdClientKeepalive   = 5
	cmdVersion           = 6
	cmdAssociationGroup  = 12
)

const (
	channelOctets  = 1 << 30 // what a channel declares as its length
	windowOctets   = 1 << 16
	timeoutMillis  = 120_000
	keepaliveMilli = 300_000
)

// errNoPDU is a stream that holds no RPC PDU at this place.
var errNoPDU = errors.New("lab: not an RPC PDU")

// Cookie names a virtual connection or a channel of RPC over HTTP.
type Cookie [cookieOctets]byte

// ConnA1 returns the first PDU of an OUT channel: CONN/A1, 76 octets ([MS-RPCH],
// Section 2.2.4.2).
func ConnA1(virtual, channel Cookie) []byte {
	p := newRTS(0, 4)
	p = appendCommand(p, cmdVersion, 1)
	p = appendCookie(p, cmdCookie, virtual)
	p = appendCookie(p, cmdCookie, channel)
	p = appendCommand(p, cmdReceiveWindow, windowOctets)
	return sealRTS(p)
}

// ConnB1 returns the first PDU of an IN channel: CONN/B1, 104 octets ([MS-RPCH],
// Section 2.2.4.5).
func ConnB1(virtual, channel, association Cookie) []byte {
	p := newRTS(0, 6)
	p = appendCommand(p, cmdVersion, 1)
	p = appendCookie(p, cmdCookie, virtual)
	p = appendCookie(p, cmdCookie, channel)
	p = appendCommand(p, cmdChannelLifetime, channelOctets)
	p = appendCommand(p, cmdClientKeepalive, keepaliveMilli)
	p = appendCookie(p, cmdAssociationGroup, association)
	return sealRTS(p)
}

// connA3 is the server's first PDU on an OUT channel ([MS-RPCH], Section 2.2.4.4).
func connA3() []byte {
	return sealRTS(appendCommand(newRTS(0, 1), cmdConnectionTimeout, timeoutMillis))
}

// connC2 says that both channels are there ([MS-RPCH], Section 2.2.4.9).
func connC2() []byte {
	p := newRTS(0, 3)
	p = appendCommand(p, cmdVersion, 1)
	p = appendCommand(p, cmdReceiveWindow, windowOctets)
	p = appendCommand(p, cmdConnectionTimeout, timeoutMillis)
	return sealRTS(p)
}

func pingPDU() []byte { return newRTS(flagPing, 0) }
func echoPDU() []byte { return newRTS(flagEcho, 0) }

// newRTS returns the header of an RTS PDU without commands.
func newRTS(flags, commands uint16) []byte {
	p := []byte{5, 0, ptypeRTS, 3, 0x10, 0, 0, 0, pduHead, 0, 0, 0, 0, 0, 0, 0}
	p = binary.LittleEndian.AppendUint16(p, flags)
	return binary.LittleEndian.AppendUint16(p, commands)
}

func appendCommand(p []byte, command, value uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(p, command), value)
}

func appendCookie(p []byte, command uint32, c Cookie) []byte {
	return append(binary.LittleEndian.AppendUint32(p, command), c[:]...)
}

// sealRTS writes the length into the header.
func sealRTS(p []byte) []byte {
	binary.LittleEndian.PutUint16(p[8:], uint16(len(p)))
	return p
}

// ReadPDU reads one RPC PDU. If the stream does not go on with one, it returns
// what it has read of it and an error.
func ReadPDU(r io.Reader) ([]byte, error) {
	head := make([]byte, pduLeast)
	n, err := io.ReadFull(r, head)
	if err != nil {
		return head[:n], err
	}
	length := int(binary.LittleEndian.Uint16(head[8:]))
	if head[0] != 5 || length < pduLeast {
		return head, errNoPDU
	}
	p := append(make([]byte, 0, length), head...)
	n, err = io.ReadFull(r, p[pduLeast:length])
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return p[:pduLeast+n], err
}

// virtualCookie returns the cookie of the virtual connection that the first PDU
// of a channel belongs to.
func virtualCookie(p []byte) (Cookie, bool) {
	if len(p) < cookieAt+cookieOctets || p[2] != ptypeRTS {
		return Cookie{}, false
	}
	return Cookie(p[cookieAt:]), true
}
