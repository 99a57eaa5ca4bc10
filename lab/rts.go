package lab

import (
	"encoding/binary"
	"errors"
	"io"

	"casbah/protocols/rpchttp"
)

// pduLeast is the length of the shortest header of any RPC PDU, in octets.
const pduLeast = 16

// channelOctets is what a channel declares as its length.
const channelOctets = rpchttp.ChannelOctets

// errNoPDU is a stream that holds no RPC PDU at this place.
var errNoPDU = errors.New("lab: not an RPC PDU")

// Cookie names a virtual connection or a channel of RPC over HTTP.
type Cookie = rpchttp.Cookie

// ConnA1 returns the first PDU of an OUT channel.
func ConnA1(virtual, channel Cookie) []byte { return rpchttp.AppendConnA1(nil, virtual, channel) }

// ConnB1 returns the first PDU of an IN channel.
func ConnB1(virtual, channel, association Cookie) []byte {
	return rpchttp.AppendConnB1(nil, virtual, channel, association)
}

func connA3() []byte  { return rpchttp.AppendConnA3(nil) }
func connC2() []byte  { return rpchttp.AppendConnC2(nil) }
func pingPDU() []byte { return rpchttp.AppendPing(nil) }
func echoPDU() []byte { return rpchttp.AppendEcho(nil) }

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

// firstPDU returns what the first PDU of a channel says.
func firstPDU(p []byte) rpchttp.First {
	var s rpchttp.Sniffer
	s.See(p)
	return s.First()
}
