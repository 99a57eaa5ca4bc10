package lab

import (
	"net/netip"

	"casbah/protocols/msrpc"
)

// registered is an interface that the endpoint mapper of a CAS knows.
type registered struct {
	msrpc.Syntax
	service, annotation string
}

// registry is what every endpoint mapper knows.
var registry = []registered{
	{msrpc.EMSMDB, "rpc_client_access", "Microsoft Exchange RPC Client Access"},
	{msrpc.NSPI, "rpc_address_book", "Microsoft Exchange NSPI Interface"},
	{msrpc.RFR, "rpc_address_book", "Microsoft Exchange RFR Interface"},
}

// mapped answers a call to the endpoint mapper; false: there is no such operation.
func (s *CAS) mapped(r *msrpc.Request, stub []byte) (out []byte, ok bool) {
	e := msrpc.Encoding{BigEndian: r.Header.Drep.BigEndian()}
	switch r.Op {
	case msrpc.OpMap:
		q, err := msrpc.ParseMapRequest(stub, e)
		return s.endpoints(&q).AppendTo(nil, msrpc.Encoding{}), err == nil
	case msrpc.OpLookup:
		q, err := msrpc.ParseLookupRequest(stub, e)
		return s.entries(&q).AppendTo(nil, msrpc.Encoding{}), err == nil
	case msrpc.OpFree:
		return make([]byte, len(msrpc.Handle{})+4), true // no handle, and a status of 0
	default:
		return nil, false
	}
}

// endpoints answers ept_map.
func (s *CAS) endpoints(q *msrpc.MapRequest) *msrpc.MapResponse {
	answer := &msrpc.MapResponse{Max: int(min(q.Max, 500)), Status: msrpc.NotRegistered}
	asked, err := msrpc.ParseTower(q.Tower)
	if err != nil || asked.Protocol != msrpc.TCP || q.Max == 0 {
		return answer
	}
	for _, g := range registry {
		if g.UUID == asked.Interface.UUID && g.Major == asked.Interface.Major {
			answer.Towers, answer.Status = [][]byte{s.tower(&g)}, 0
		}
	}
	return answer
}

// entries answers ept_lookup, whatever it asks for, with all there is.
func (s *CAS) entries(q *msrpc.LookupRequest) *msrpc.LookupResponse {
	answer := &msrpc.LookupResponse{Max: int(min(q.Max, 500))}
	for _, g := range registry[:min(len(registry), answer.Max)] {
		answer.Entries = append(answer.Entries, msrpc.Entry{Tower: s.tower(&g), Annotation: []byte(g.annotation)})
	}
	return answer
}

// tower tells where an interface listens now.
func (s *CAS) tower(g *registered) []byte {
	at, _ := netip.ParseAddrPort(s.MailAddr(g.service, false)) // the lab listens on addresses alone
	t := msrpc.Tower{Interface: g.Syntax, Transfer: msrpc.NDR, Protocol: msrpc.TCP, Port: at.Port(), Addr: at.Addr()}
	return t.AppendTo(nil)
}
