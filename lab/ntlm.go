package lab

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"casbah/protocols/ntlm"
)

// Flags of NTLM that the ntlm package has no use for ([MS-NLMP], Section
// 2.2.2.5).
const (
	flagSign ntlm.Flags = 1 << 4
	flagSeal ntlm.Flags = 1 << 5
)

// clientChooses are the flags that a client turns on and the server grants.
const clientChooses = flagSign | flagSeal | ntlm.AlwaysSign | ntlm.ExtendedSessionSecurity |
	ntlm.Key128 | ntlm.KeyExchange | ntlm.Key56

// handshake is the server's half of an NTLM handshake, from type 2 to type 3.
type handshake struct {
	type1, type2 []byte // as they were on the wire, for the MIC
	challenge    [8]byte
	text         ntlm.Flags // how the text of type 3 is encoded
	binding      []byte     // to TLS, that type 3 must have; nil: none
}

// newHandshake makes the type 2 message that answers type1. A client that speaks
// OEM characters alone, as curl does, is answered in them.
func newHandshake(type1 []byte, server string) (*handshake, error) {
	asked, err := ntlm.ParseNegotiate(type1)
	if err != nil {
		return nil, err
	}
	h := &handshake{type1: bytes.Clone(type1), text: ntlm.OEM}
	if asked.Flags&ntlm.Unicode != 0 {
		h.text = ntlm.Unicode
	}
	_, _ = rand.Read(h.challenge[:]) // never fails: crypto/rand ends the process instead
	message := ntlm.Challenge{
		Flags: h.text | asked.Flags&clientChooses |
			ntlm.RequestTarget | ntlm.NTLM | ntlm.TargetTypeDomain | ntlm.HasTargetInfo,
		ServerChallenge: h.challenge,
		TargetName:      h.text.AppendText(nil, Domain),
		TargetInfo:      targetInfo(server, time.Now()),
	}
	h.type2 = message.AppendTo(nil)
	return h, nil
}

// targetInfo says who the server is. The time in it makes clients send a MIC.
func targetInfo(server string, now time.Time) []byte {
	pairs := []struct {
		id    ntlm.PairID
		value []byte
	}{
		{ntlm.DomainName, utf16le(Domain)},
		{ntlm.ComputerName, utf16le(strings.ToUpper(server))},
		{ntlm.DNSDomainName, utf16le(DNSSuffix)},
		{ntlm.DNSComputerName, utf16le(server + "." + DNSSuffix)},
		{ntlm.Timestamp, binary.LittleEndian.AppendUint64(nil, fileTime(now))},
		{ntlm.EndOfList, nil},
	}
	var info []byte
	for _, p := range pairs {
		info = ntlm.AppendPair(info, p.id, p.value)
	}
	return info
}

// fileTime counts 100 ns from the year 1601, as Windows does.
func fileTime(t time.Time) uint64 {
	const from1601 = 11644473600 // seconds from 1601 to 1970
	return uint64(t.Unix()+from1601)*1e7 + uint64(t.Nanosecond()/100)
}

func utf16le(s string) []byte { return ntlm.Unicode.AppendText(nil, s) }
