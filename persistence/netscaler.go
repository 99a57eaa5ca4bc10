package persistence

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"

	"casbah/balance"
)

// The value of a cookie of format "netscaler" is the server's address in
// hexadecimal digits, and behind it the port: c0a864100050 is 192.168.100.16:80.
// It is not sealed: who reads it learns the address, who makes one up chooses
// among the servers of the pool and nothing else.
//
// What the appliances themselves write is read too, never written, so that the
// clients of a site that moves to casbah keep their servers: ffffffff, an IPv4
// address exclusive-or addrMask, twelve octets that are always the same, and the
// port exclusive-or portMask. The masks are no secret; they are published in
// https://github.com/catalyst256/Netscaler-Cookie-Decryptor (2012).
const (
	addrMask   = 0x03081e11
	portMask   = 0x3630
	maskedSize = 2 * (4 + net4 + 12 + 2) // characters
)

// readNetscaler returns the member whose address and port value holds; 0 if there
// is none. It reports false if value is no address and port.
func (c *Chain) readNetscaler(value []byte) (balance.ServerID, bool) {
	addr, ok := parseHexAddr(value)
	if !ok {
		addr, ok = parseMasked(value)
	}
	if !ok {
		return 0, false
	}
	return c.memberAt(addr), true
}

// parseMasked reads an address and port in the form of the appliances.
func parseMasked(value []byte) (netip.AddrPort, bool) {
	var room [maskedSize / 2]byte
	if len(value) != maskedSize {
		return netip.AddrPort{}, false
	}
	if _, err := hex.Decode(room[:], value); err != nil || binary.BigEndian.Uint32(room[:]) != 0xffffffff {
		return netip.AddrPort{}, false
	}
	var addr [net4]byte
	binary.BigEndian.PutUint32(addr[:], binary.BigEndian.Uint32(room[4:])^addrMask)
	port := binary.BigEndian.Uint16(room[len(room)-2:]) ^ portMask
	return netip.AddrPortFrom(netip.AddrFrom4(addr), port), true
}

// appendNetscaler appends the value that names the member; nothing if its address
// is not known at the moment.
func (m *Member) appendNetscaler(dst []byte) []byte {
	if m.Endpoint == nil {
		return dst
	}
	at, ok := m.Endpoint.Addr()
	if !ok {
		return dst
	}
	if a := at.Addr().Unmap(); a.Is4() {
		b := a.As4()
		dst = hex.AppendEncode(dst, b[:])
	} else {
		b := a.As16()
		dst = hex.AppendEncode(dst, b[:])
	}
	return hex.AppendEncode(dst, []byte{byte(at.Port() >> 8), byte(at.Port())})
}
