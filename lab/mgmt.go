package lab

import (
	"context"
	"encoding/binary"
	"slices"

	"casbah/protocols/msrpc"
)

// mgmt is the management interface that every RPC server has ([C706], Appendix Q).
var mgmt = msrpc.Syntax{
	UUID:  msrpc.UUID{0xaf, 0xa8, 0xbd, 0x80, 0x7d, 0x8a, 0x11, 0xc9, 0xbe, 0xf4, 0x08, 0x00, 0x2b, 0x10, 0x29, 0x89},
	Major: 1,
}

// The operations of mgmt that are simulated.
const (
	mgmtInterfaces = 0 // inq_if_ids
	mgmtListening  = 2 // is_server_listening
	mgmtName       = 4 // inq_princ_name
)

// referent is the first identity of a pointer as Windows has it.
const referent = 0x20000

// managed answers a call of mgmt; false: there is no such operation.
func (s *rpcSession) managed(op uint16) ([]byte, bool) {
	le := binary.LittleEndian
	switch op {
	case mgmtInterfaces:
		n := uint32(len(s.offers))
		out := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, referent), n), n)
		for i := range n {
			out = le.AppendUint32(out, referent+4*(i+1))
		}
		for _, o := range s.offers {
			out = appendInterface(out, o)
		}
		return le.AppendUint32(out, 0), true
	case mgmtListening:
		return le.AppendUint32(le.AppendUint32(nil, 0), 1), true
	case mgmtName:
		name := append([]byte(s.cas.Name()), 0)
		n := uint32(len(name))
		out := append(le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, n), 0), n), name...)
		out = append(out, make([]byte, -len(out)&3)...)
		return le.AppendUint32(out, 0), true
	default:
		return nil, false
	}
}

// appendInterface appends an rpc_if_id_t: in little-endian order the first three
// parts of the UUID are turned round.
func appendInterface(dst []byte, s msrpc.Syntax) []byte {
	id := s.UUID
	slices.Reverse(id[:4])
	slices.Reverse(id[4:6])
	slices.Reverse(id[6:8])
	dst = binary.LittleEndian.AppendUint16(append(dst, id[:]...), s.Major)
	return binary.LittleEndian.AppendUint16(dst, s.Minor)
}

// receive takes a PDU that came on the IN channel. Until a client binds, what it
// sends comes back, so that it can be tried without RPC; then it is an RPC server.
func (c *circuit) receive(ctx context.Context, cas *CAS, p []byte) {
	t := msrpc.Type(p[2])
	if c.rpc == nil && t == msrpc.TypeBind {
		c.rpc = &rpcSession{
			cas: cas, port: "6001", offers: []msrpc.Syntax{msrpc.EMSMDB, msrpc.NSPI, msrpc.RFR, mgmt},
			contexts: make(map[uint16]msrpc.Syntax),
		}
	}
	if c.rpc != nil { // the IN channel of the moment
		c.rpc.send = func(out []byte) error { c.relay(ctx, out); return nil }
	}
	switch {
	case c.rpc == nil:
		c.relay(ctx, p)
	case t == msrpc.TypeBind, t == msrpc.TypeAlterContext, t == msrpc.TypeRequest:
		c.rpc.answer(p, t)
	default: // RTS: pings, and acknowledgements of what was sent
	}
}
