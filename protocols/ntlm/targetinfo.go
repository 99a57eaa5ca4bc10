package ntlm

import "encoding/binary"

// PairID names what an AV_PAIR of a target information tells ([MS-NLMP],
// Section 2.2.2.1).
type PairID uint16

// The pairs.
const (
	EndOfList       PairID = 0
	ComputerName    PairID = 1 // NetBIOS
	DomainName      PairID = 2 // NetBIOS
	DNSComputerName PairID = 3
	DNSDomainName   PairID = 4
	DNSTreeName     PairID = 5
	PairFlags       PairID = 6
	Timestamp       PairID = 7 // FILETIME
	SingleHost      PairID = 8
	TargetSPN       PairID = 9
	ChannelBindings PairID = 10 // MD5
)

// AppendPair appends an AV_PAIR to a target information. The last is EndOfList,
// with no value.
func AppendPair(info []byte, id PairID, value []byte) []byte {
	info = binary.LittleEndian.AppendUint16(info, uint16(id))
	info = binary.LittleEndian.AppendUint16(info, uint16(len(value)))
	return append(info, value...)
}

// Pair returns the value of the first AV_PAIR of that kind in a target
// information, and false if there is none before its end or its first error.
func Pair(info []byte, id PairID) ([]byte, bool) {
	for len(info) >= 4 {
		got := PairID(binary.LittleEndian.Uint16(info))
		n := int(binary.LittleEndian.Uint16(info[2:]))
		info = info[4:]
		if got == EndOfList || n > len(info) {
			return nil, false
		}
		if got == id {
			return info[:n], true
		}
		info = info[n:]
	}
	return nil, false
}
