package lab

import (
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"casbah/protocols/msrpc"
)

// rpcProtocols are the services of RPC over TCP, in the order of Options.RPCPorts.
// Each has a port of its own.
var rpcProtocols = []mailProtocol{
	{"rpc_endpoint_mapper", rpcBusy, func(m *mailConn) { serveRPC(m, msrpc.EPM) }},
	{"rpc_client_access", rpcBusy, func(m *mailConn) { serveRPC(m, msrpc.EMSMDB) }},
	{"rpc_address_book", rpcBusy, func(m *mailConn) { serveRPC(m, msrpc.NSPI, msrpc.RFR) }},
}

// rpcBusy is a bind_nak: local_limit_exceeded ([C706], Section 12.6.3.1).
var rpcBusy = string((&msrpc.BindNak{Header: rpcHeader(msrpc.TypeBindNak, 1), Reason: rpcLimit}).AppendTo(nil))

const (
	rpcLimit    = 2          // the reason of rpcBusy
	rpcRange    = 0x1c010002 // nca_s_op_rng_error: there is no such operation
	rpcContext  = 0x1c00001a // nca_s_fault_context_mismatch: there is no such context
	rpcFragment = 5840       // octets of a fragment, as Windows has it
)

func rpcHeader(t msrpc.Type, call uint32) msrpc.Header {
	return msrpc.Header{Type: t, Flags: msrpc.First | msrpc.Last, Drep: msrpc.LittleEndian, Call: call}
}

// newRPCPorts returns the ports of the i-th CAS for RPC over TCP; none without
// Options.RPC.
func (o Options) newRPCPorts(i int) []mailPort {
	var ports []mailPort
	if !o.RPC {
		return nil
	}
	for p := range rpcProtocols {
		port := mailPort{mailProtocol: &rpcProtocols[p], address: net.JoinHostPort(o.host(i), strconv.Itoa(o.RPCPorts[p]))}
		switch {
		case o.RPCPorts[p] != 0:
		case p == 0:
			port.address = o.listenAddress(i, 2+2*len(mailProtocols))
		default:
			port.moves = true
		}
		ports = append(ports, port)
	}
	return ports
}

// associations are the association groups of one CAS, each with the number of its
// connections. The zero value has none. Every CAS counts from 1: a number says
// nothing to another one.
type associations struct {
	mu   sync.Mutex // guards the fields below
	last uint32
	open map[uint32]int
}

// join adds a connection to a group, or to a new one for 0; 0 if there is none of
// that number.
func (a *associations) join(id uint32) uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = make(map[uint32]int)
	}
	if id == 0 {
		a.last++
		id = a.last
	} else if a.open[id] == 0 {
		return 0
	}
	a.open[id]++
	return id
}

func (a *associations) leave(id uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[id]--; a.open[id] <= 0 {
		delete(a.open, id)
	}
}

// rpcSession is one connection of RPC, over TCP or a virtual one over HTTP.
type rpcSession struct {
	cas         *CAS
	send        func([]byte) error
	port        string         // that was connected to
	offers      []msrpc.Syntax // the interfaces of its port
	contexts    map[uint16]msrpc.Syntax
	association uint32 // 0 before the bind
	request     msrpc.Assembly
}

// serveRPC answers binds, and then calls: those to the endpoint mapper with
// towers, every other one with the name of the server.
func serveRPC(m *mailConn, offers ...msrpc.Syntax) {
	_, port, _ := net.SplitHostPort(m.LocalAddr().String())
	send := func(p []byte) error { _, err := m.Write(p); return err }
	s := &rpcSession{cas: m.cas, send: send, port: port, offers: offers, contexts: make(map[uint16]msrpc.Syntax)}
	defer s.end()
	reader := msrpc.Reader{Whole: msrpc.Of(msrpc.TypeBind, msrpc.TypeAlterContext, msrpc.TypeRequest)}
	in := make([]byte, mailLine)
	for {
		if m.SetReadDeadline(time.Now().Add(mailIdleTime)) != nil {
			return
		}
		n, err := m.in.Read(in)
		if err != nil {
			return
		}
		for p := in[:n]; len(p) > 0; {
			piece, used, err := reader.Next(p)
			if err != nil {
				return
			}
			p = p[used:]
			if piece.Whole && !s.answer(piece.Octets, piece.Header.Type) {
				return
			}
		}
	}
}

// end ends the session.
func (s *rpcSession) end() {
	if s.association != 0 {
		s.cas.associations.leave(s.association)
	}
}

// answer answers a PDU; false: the connection ends.
func (s *rpcSession) answer(pdu []byte, t msrpc.Type) bool {
	if t == msrpc.TypeRequest {
		return s.requested(pdu)
	}
	b, err := msrpc.ParseBind(pdu)
	return err == nil && s.send(s.bind(&b)) == nil
}

// requested answers a request, once it is whole; false: the connection ends.
func (s *rpcSession) requested(pdu []byte) bool {
	r, err := msrpc.ParseRequest(pdu)
	if err != nil {
		return false
	}
	done, err := s.request.Add(pdu)
	if err != nil || !done {
		return err == nil
	}
	out := s.called(&r, s.request.Stub())
	s.request.Reset()
	return s.send(out) == nil
}

// bind answers a bind or an alter_context.
func (s *rpcSession) bind(b *msrpc.Bind) []byte {
	answer := msrpc.TypeAlterResp
	if b.Header.Type == msrpc.TypeBind {
		answer = msrpc.TypeBindAck
		if s.association == 0 {
			s.association = s.cas.associations.join(b.Association)
		}
		if s.association == 0 {
			s.cas.counters.splits.Add(1)
			return (&msrpc.BindNak{Header: rpcHeader(msrpc.TypeBindNak, b.Header.Call), Reason: rpcLimit}).AppendTo(nil)
		}
	}
	ack := msrpc.BindAck{
		Header: rpcHeader(answer, b.Header.Call), MaxXmit: rpcFragment, MaxRecv: rpcFragment,
		Association: s.association, Address: []byte(s.port),
	}
	for i := range b.Contexts {
		c := &b.Contexts[i]
		r := s.offered(c)
		if r.Outcome == msrpc.Accepted {
			s.contexts[c.ID] = c.Abstract
		}
		ack.Results = append(ack.Results, r)
	}
	return ack.AppendTo(nil)
}

// offered returns the result of one context.
func (s *rpcSession) offered(c *msrpc.Context) msrpc.Result {
	known := slices.ContainsFunc(s.offers, func(o msrpc.Syntax) bool { return o.UUID == c.Abstract.UUID && o.Major == c.Abstract.Major })
	switch {
	case !known:
		return msrpc.Result{Outcome: msrpc.ProviderRejected, Reason: 1}
	case len(c.Transfer) > 0:
		if _, features := c.Transfer[0].Features(); features {
			return msrpc.Result{Outcome: msrpc.NegotiateAck}
		}
	}
	if !slices.Contains(c.Transfer, msrpc.NDR) {
		return msrpc.Result{Outcome: msrpc.ProviderRejected, Reason: 2}
	}
	return msrpc.Result{Outcome: msrpc.Accepted, Transfer: msrpc.NDR}
}

// called answers a call, of which r is the last fragment.
func (s *rpcSession) called(r *msrpc.Request, stub []byte) []byte {
	fault := msrpc.Fault{Header: rpcHeader(msrpc.TypeFault, r.Header.Call), Context: r.Context, Status: rpcContext}
	iface, ok := s.contexts[r.Context]
	if !ok {
		return fault.AppendTo(nil)
	}
	out := []byte(s.cas.FQDN())
	switch iface {
	case msrpc.EPM:
		out, ok = s.cas.mapped(r, stub)
	case mgmt:
		out, ok = s.managed(r.Op)
	}
	if !ok {
		fault.Status = rpcRange
		return fault.AppendTo(nil)
	}
	answer := msrpc.Response{Header: rpcHeader(msrpc.TypeResponse, r.Header.Call), Hint: uint32(len(out)), Context: r.Context, Stub: out}
	return answer.AppendTo(nil, rpcFragment)
}
