package persistence

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"

	"casbah/balance"
	"casbah/internal/httphead"
)

// maxServerIDs is how many values of one request are tried that may name a
// server: a query can repeat a parameter as often as it likes.
const maxServerIDs = 4

// hexPort is how many hexadecimal digits a port has.
const hexPort = 4

// urlServerStep is step url_server_id: an address and port in hexadecimal digits,
// which an application put into its links, name the server.
type urlServerStep struct {
	token []byte // what stands before the digits, such as "sid="
}

func newURLServerStep(s Step) urlServerStep { return urlServerStep{token: []byte(s.Name)} }

// readURLServer reads the first server ID of the query that names a member. The
// token counts at the begin of a parameter alone: "sid=" is not in "oldsid=".
func (k *walker) readURLServer(s *step) {
	why, tried := Absent, 0
	for p := range httphead.Parameters(k.request.Head.Query) {
		value, ok := bytes.CutPrefix(p, s.url.token)
		if !ok {
			continue
		}
		if tried++; tried > maxServerIDs {
			break
		}
		addr, ok := parseHexAddr(value)
		if !ok {
			why = Unreadable
			continue
		}
		if id := k.chain.memberAt(addr); id != 0 {
			k.names(id)
			return
		}
		why = Foreign
	}
	k.none(why)
}

// parseHexAddr reads an address and port in hexadecimal digits of either case:
// c0a864100050 is 192.168.100.16:80. IPv4 has 8 digits, IPv6 32, and the port 4;
// nothing may follow.
func parseHexAddr(digits []byte) (netip.AddrPort, bool) {
	var room [net16 + hexPort/2]byte
	if n := len(digits); n != 2*net4+hexPort && n != 2*net16+hexPort {
		return netip.AddrPort{}, false
	}
	n, err := hex.Decode(room[:], digits)
	if err != nil {
		return netip.AddrPort{}, false
	}
	addr, _ := netip.AddrFromSlice(room[:n-hexPort/2])
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(room[n-hexPort/2:n])), true
}

// Octets of an address.
const (
	net4  = 4
	net16 = 16
)

// memberAt returns the member that is reached at exactly that address and port; 0
// if there is none. Digits cannot tell the zone of an IPv6 address.
func (c *Chain) memberAt(addr netip.AddrPort) balance.ServerID {
	for i := range c.members {
		e := c.members[i].Endpoint
		if e == nil {
			continue
		}
		at, ok := e.Addr()
		if ok && at.Port() == addr.Port() && at.Addr().Unmap().WithZone("") == addr.Addr() {
			return c.members[i].ID
		}
	}
	return 0
}
