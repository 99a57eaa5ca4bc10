package msrpc

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Protocol is the protocol of a tower's floor ([C706], Appendix I; [MS-RPCE],
// Section 2.2.1.2.1).
type Protocol uint8

// The protocols that are told from each other. Only TCP, UDP and HTTP have ports.
const (
	TCP            Protocol = 0x07
	UDP            Protocol = 0x08
	IP             Protocol = 0x09
	Connectionless Protocol = 0x0a
	Connection     Protocol = 0x0b
	UUIDDerived    Protocol = 0x0d
	NamedPipe      Protocol = 0x0f
	LocalRPC       Protocol = 0x10
	NetBIOS        Protocol = 0x11
	HTTP           Protocol = 0x1f // RPC over HTTP; the port is one behind the RPC proxy
)

// Tower tells how to reach an interface ([C706], Appendix L). Parsed, its Name
// and Host are parts of the tower.
type Tower struct {
	Interface Syntax
	Transfer  Syntax
	Protocol  Protocol   // of the endpoint; 0 if it is none that is known
	Port      uint16     // for TCP, UDP and HTTP
	Addr      netip.Addr // IPv4; clients of Microsoft ignore it ([MS-RPCE], Section 3.1.3.5.3)
	Name      []byte     // of a pipe or of a local endpoint, without its NUL
	Host      []byte     // NetBIOS name, without its NUL

	portAt, addrAt int // where they stand in the tower; 0: nowhere
}

// maxFloors is more than any tower has: [MS-RPCE], Section 3.1.3.5.3 refuses
// those of more than six.
const maxFloors = 16

// errTower tells that octets are not a tower.
var errTower = errors.New("msrpc: malformed tower")

// floor takes the next floor of a tower.
func (c *cursor) floor() (lhs, rhs []byte) {
	lhs = c.take(int(c.u16()))
	rhs = c.take(int(c.u16()))
	if len(lhs) == 0 {
		c.bad = true
	}
	return lhs, rhs
}

// ParseTower reads a tower of any floors above the interface and its transfer
// syntax. Octets behind the last floor are not looked at.
func ParseTower(tower []byte) (Tower, error) {
	c := cursor{b: tower, o: little}
	n := int(c.u16())
	if n < 2 || n > maxFloors {
		return Tower{}, errTower
	}
	t := Tower{Interface: c.identified(), Transfer: c.identified()}
	for range n - 2 {
		lhs, rhs := c.floor()
		if c.bad {
			break
		}
		t.add(Protocol(lhs[0]), rhs, c.at-len(rhs))
	}
	if c.bad {
		return Tower{}, errTower
	}
	return t, nil
}

// identified takes a floor that a UUID identifies.
func (c *cursor) identified() Syntax {
	lhs, rhs := c.floor()
	if len(lhs) != 19 || Protocol(lhs[0]) != UUIDDerived || len(rhs) != 2 {
		c.bad = true
		return Syntax{}
	}
	return Syntax{
		UUID: uuidAt(lhs[1:], little), Major: binary.LittleEndian.Uint16(lhs[17:]), Minor: binary.LittleEndian.Uint16(rhs),
	}
}

// add takes in a floor whose right hand side stands at an offset of the tower.
// The first endpoint and the first address count.
func (t *Tower) add(p Protocol, rhs []byte, at int) {
	switch {
	case p == IP && len(rhs) == 4 && t.addrAt == 0:
		t.Addr, t.addrAt = netip.AddrFrom4([4]byte(rhs)), at
	case p == NetBIOS && t.Host == nil:
		t.Host = unterminated(rhs)
	case t.Protocol != 0:
	case p.hasPort() && len(rhs) == 2:
		t.Protocol, t.Port, t.portAt = p, binary.BigEndian.Uint16(rhs), at
	case p == NamedPipe || p == LocalRPC:
		t.Protocol, t.Name = p, unterminated(rhs)
	}
}

func (p Protocol) hasPort() bool { return p == TCP || p == UDP || p == HTTP }

// unterminated returns a name without its NUL.
func unterminated(name []byte) []byte {
	if n := len(name); n > 0 && name[n-1] == 0 {
		return name[:n-1]
	}
	return name
}

// AppendTo appends the tower to dst: five floors, or four for local endpoints.
func (t *Tower) AppendTo(dst []byte) []byte {
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], t.Port)
	rpc := Connection
	if t.Protocol == UDP {
		rpc = Connectionless
	}
	floors, start := byte(4), len(dst)
	dst = append(dst, 0, 0)
	dst = t.Interface.appendFloor(dst)
	dst = t.Transfer.appendFloor(dst)
	dst = appendFloor(dst, rpc, []byte{0, 0})
	if t.Protocol.hasPort() {
		dst = appendFloor(dst, t.Protocol, port[:])
	} else {
		dst = appendFloor(dst, t.Protocol, append(append([]byte(nil), t.Name...), 0))
	}
	switch {
	case t.Addr.Is4():
		ip := t.Addr.As4()
		dst = appendFloor(dst, IP, ip[:])
		floors++
	case len(t.Host) > 0:
		dst = appendFloor(dst, NetBIOS, append(append([]byte(nil), t.Host...), 0))
		floors++
	}
	dst[start] = floors
	return dst
}

func (s Syntax) appendFloor(dst []byte) []byte {
	dst = append(binary.LittleEndian.AppendUint16(dst, 19), byte(UUIDDerived))
	dst = s.UUID.append(dst, little)
	dst = binary.LittleEndian.AppendUint16(dst, s.Major)
	dst = binary.LittleEndian.AppendUint16(dst, 2)
	return binary.LittleEndian.AppendUint16(dst, s.Minor)
}

func appendFloor(dst []byte, p Protocol, rhs []byte) []byte {
	dst = append(dst, 1, 0, byte(p))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(rhs)))
	return append(dst, rhs...)
}
