package rpchttp

import "encoding/binary"

// Values that clients and proxies declare.
const (
	ChannelOctets   = 1 << 30 // of a channel; Windows says so
	windowOctets    = 1 << 16
	timeoutMillis   = 120_000
	keepaliveMillis = 300_000
	protocolVersion = 1
	toClient        = 0 // FDClient, of the Destination command
)

// AppendConnA1 appends CONN/A1, the first PDU of an OUT channel ([MS-RPCH],
// Section 2.2.4.2).
func AppendConnA1(dst []byte, virtual, channel Cookie) []byte {
	p := begin(dst, 0, 4).number(Version, protocolVersion).cookie(ChannelCookie, virtual).cookie(ChannelCookie, channel)
	return p.number(ReceiveWindowSize, windowOctets).end()
}

// AppendConnB1 appends CONN/B1, the first PDU of an IN channel ([MS-RPCH],
// Section 2.2.4.5).
func AppendConnB1(dst []byte, virtual, channel, group Cookie) []byte {
	p := begin(dst, 0, 6).number(Version, protocolVersion).cookie(ChannelCookie, virtual).cookie(ChannelCookie, channel)
	p = p.number(ChannelLifetime, ChannelOctets).number(ClientKeepalive, keepaliveMillis)
	return p.cookie(AssociationGroupID, group).end()
}

// AppendInR1A1 appends IN_R1/A1, the first PDU of an IN channel that replaces
// another; IN_R2/A1 is the same ([MS-RPCH], Sections 2.2.4.10 and 2.2.4.18).
func AppendInR1A1(dst []byte, virtual, predecessor, successor Cookie) []byte {
	return succeed(begin(dst, RecycleChannel, 4), virtual, predecessor, successor).end()
}

// AppendOutR1A3 appends OUT_R1/A3, the first PDU of an OUT channel that replaces
// another; OUT_R2/A3 is the same ([MS-RPCH], Sections 2.2.4.25 and 2.2.4.36).
func AppendOutR1A3(dst []byte, virtual, predecessor, successor Cookie) []byte {
	p := succeed(begin(dst, RecycleChannel, 5), virtual, predecessor, successor)
	return p.number(ReceiveWindowSize, windowOctets).end()
}

func succeed(p builder, virtual, predecessor, successor Cookie) builder {
	return p.number(Version, protocolVersion).cookie(ChannelCookie, virtual).
		cookie(ChannelCookie, predecessor).cookie(ChannelCookie, successor)
}

// AppendOutR1A2 appends OUT_R1/A2, by which a proxy asks a client to replace its
// OUT channel ([MS-RPCH], Section 2.2.4.24).
func AppendOutR1A2(dst []byte) []byte {
	return begin(dst, RecycleChannel, 1).number(Destination, toClient).end()
}

// AppendOutR1A11 appends OUT_R1/A11, which a client sends behind OUT_R1/A3 once
// the new channel stands ([MS-RPCH], Section 2.2.4.33).
func AppendOutR1A11(dst []byte) []byte { return begin(dst, 0, 1).bare(ANCE).end() }

// AppendConnA3 appends CONN/A3, a proxy's first PDU on an OUT channel ([MS-RPCH],
// Section 2.2.4.4).
func AppendConnA3(dst []byte) []byte {
	return begin(dst, 0, 1).number(ConnectionTimeout, timeoutMillis).end()
}

// AppendConnC2 appends CONN/C2, which says that both channels are there
// ([MS-RPCH], Section 2.2.4.9).
func AppendConnC2(dst []byte) []byte {
	p := begin(dst, 0, 3).number(Version, protocolVersion).number(ReceiveWindowSize, windowOctets)
	return p.number(ConnectionTimeout, timeoutMillis).end()
}

// AppendPing appends a ping ([MS-RPCH], Section 2.2.4.49).
func AppendPing(dst []byte) []byte { return begin(dst, Ping, 0).end() }

// AppendEcho appends the answer to an echo request ([MS-RPCH], Section 2.1.2.1.6).
func AppendEcho(dst []byte) []byte { return begin(dst, Echo, 0).end() }

// builder is a PDU that is put together behind what was there before.
type builder struct {
	p     []byte
	start int
}

// begin appends a header without a length.
func begin(dst []byte, flags Flags, commands uint16) builder {
	b := builder{dst, len(dst)}
	b.p = append(b.p, version, 0, ptypeRTS, firstLast, littleASCII, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b.p = binary.LittleEndian.AppendUint16(b.p, uint16(flags))
	b.p = binary.LittleEndian.AppendUint16(b.p, commands)
	return b
}

func (b builder) bare(kind Command) builder {
	b.p = binary.LittleEndian.AppendUint32(b.p, uint32(kind))
	return b
}

func (b builder) number(kind Command, value uint32) builder {
	b = b.bare(kind)
	b.p = binary.LittleEndian.AppendUint32(b.p, value)
	return b
}

func (b builder) cookie(kind Command, c Cookie) builder {
	b = b.bare(kind)
	b.p = append(b.p, c[:]...)
	return b
}

// end writes the length into the header.
func (b builder) end() []byte {
	binary.LittleEndian.PutUint16(b.p[b.start+atLength:], uint16(len(b.p)-b.start))
	return b.p
}
