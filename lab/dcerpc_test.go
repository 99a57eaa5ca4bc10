package lab

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/protocols/msrpc"
	"casbah/protocols/msrpc/rpctest"
)

// rpcWire dials a port of RPC over TCP.
func rpcWire(t *testing.T, s *CAS, protocol string) *rpctest.Client {
	t.Helper()
	c, err := net.Dial("tcp", s.MailAddr(protocol, false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return rpctest.New(t, c)
}

// A CAS answers binds and calls at each of its ports, and names itself.
func TestRPCServices(t *testing.T) {
	a := newArray(t, Options{Servers: 2, RPC: true})
	s := a.CAS(1)
	for _, g := range registry {
		c := rpcWire(t, s, g.service)
		ack, err := msrpc.ParseBindAck(c.Ask(c.BindPDU(msrpc.TypeBind, g.Syntax, 0)))
		if err != nil || len(ack.Results) != 3 {
			t.Fatalf("bind to %s: %+v, %v", g.annotation, ack, err)
		}
		for i, want := range []msrpc.Outcome{msrpc.Accepted, msrpc.ProviderRejected, msrpc.NegotiateAck} {
			if ack.Results[i].Outcome != want {
				t.Errorf("context %d of %s: %+v; want %d", i, g.annotation, ack.Results[i], want)
			}
		}
		id := ack.Association
		if out, err := c.Call(0, 0, bytes.Repeat([]byte("x"), 500), 100); err != nil || string(out) != "CAS2."+DNSSuffix {
			t.Errorf("%s answers %q, %v", g.annotation, out, err)
		}
		if _, err := c.Call(1, 0, nil, 0); !isFault(err, rpcContext) {
			t.Errorf("a context that was refused: %v", err)
		}
		alter, err := msrpc.ParseBindAck(c.Ask(c.BindPDU(msrpc.TypeAlterContext, msrpc.EPM, id)))
		if err != nil || alter.Header.Type != msrpc.TypeAlterResp || alter.Association != id || alter.Results[0].Outcome != msrpc.ProviderRejected {
			t.Errorf("another interface at the port of %s: %+v, %v", g.annotation, alter, err)
		}
	}
	if n := s.Counts().Requests["rpc_address_book"]; n != 2 {
		t.Errorf("%d connections to the address book; want 2", n)
	}
}

func isFault(err error, status uint32) bool {
	f, ok := errors.AsType[*msrpc.FaultError](err)
	return ok && f.Status == status
}

// The endpoint mapper tells where the services are, and that they are elsewhere
// once the server has started anew.
func TestEndpointMapper(t *testing.T) {
	a := newArray(t, Options{Servers: 1, RPC: true})
	s := a.CAS(0)
	before := s.mapping(t)
	if len(before) != 3 || before["NSPI"] != before["RFR"] || before["NSPI"] == before["EMSMDB"] {
		t.Errorf("ports %v", before)
	}
	s.Stop()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	after := s.mapping(t)
	for name, port := range before {
		if after[name] == port {
			t.Errorf("%s is at port %d again", name, port)
		}
	}
	m := rpcWire(t, s, "rpc_endpoint_mapper")
	m.Bound(msrpc.EPM, 0)
	if towers, status := m.Map(msrpc.Syntax{Major: 7}, 0); len(towers) != 0 || status != msrpc.NotRegistered {
		t.Errorf("an interface that is not there: %+v, status %x", towers, status)
	}
	if out, err := m.Call(0, msrpc.OpFree, make([]byte, 20), 0); err != nil || !bytes.Equal(out, make([]byte, 24)) {
		t.Errorf("ept_lookup_handle_free: %x, %v", out, err)
	}
	if _, err := m.Call(0, 9, nil, 0); !isFault(err, rpcRange) {
		t.Errorf("an operation that is not there: %v", err)
	}
	if _, err := m.Call(0, msrpc.OpMap, []byte("no tower"), 0); !isFault(err, rpcRange) {
		t.Errorf("a question that is none: %v", err)
	}
}

// mapping returns the ports that the endpoint mapper of s names, by ept_lookup, after it
// has looked whether ept_map and the address of the port say the same.
func (s *CAS) mapping(t *testing.T) map[string]uint16 {
	t.Helper()
	m := rpcWire(t, s, "rpc_endpoint_mapper")
	m.Bound(msrpc.EPM, 0)
	out, err := m.Call(0, msrpc.OpLookup, (&msrpc.LookupRequest{Max: 500}).AppendTo(nil, msrpc.Encoding{}), 0)
	if err != nil {
		t.Fatal(err)
	}
	all, err := msrpc.ParseLookupResponse(out, msrpc.Encoding{})
	if err != nil {
		t.Fatal(err)
	}
	ports := make(map[string]uint16)
	names := map[msrpc.UUID]string{msrpc.EMSMDB.UUID: "EMSMDB", msrpc.NSPI.UUID: "NSPI", msrpc.RFR.UUID: "RFR"}
	for _, e := range all.Entries {
		tower, err := msrpc.ParseTower(e.Tower)
		if err != nil {
			t.Fatal(err)
		}
		if towers, status := m.Map(tower.Interface, 64); status != 0 || len(towers) != 1 || !bytes.Equal(towers[0].AppendTo(nil), e.Tower) {
			t.Errorf("ept_map of %s: %+v, status %x; want the tower of ept_lookup", e.Annotation, towers, status)
		}
		ports[names[tower.Interface.UUID]] = tower.Port
		if c, err := net.Dial("tcp", netip.AddrPortFrom(tower.Addr, tower.Port).String()); err != nil {
			t.Error(err)
		} else {
			c.Close()
		}
	}
	return ports
}

// A connection joins an association of its own server, and of no other one.
func TestRPCAssociations(t *testing.T) {
	a := newArray(t, Options{Servers: 2, RPC: true})
	first := rpcWire(t, a.CAS(0), "rpc_client_access")
	id := first.Bound(msrpc.EMSMDB, 0)
	if again := rpcWire(t, a.CAS(0), "rpc_client_access").Bound(msrpc.EMSMDB, id); id == 0 || again != id {
		t.Errorf("associations %d and %d; want one", id, again)
	}
	if other := rpcWire(t, a.CAS(0), "rpc_client_access").Bound(msrpc.EMSMDB, 0); other == id {
		t.Errorf("another client is in association %d, too", other)
	}
	lost := rpcWire(t, a.CAS(1), "rpc_client_access")
	nak, err := msrpc.ParseBindNak(lost.Ask(lost.BindPDU(msrpc.TypeBind, msrpc.EMSMDB, id)))
	if err != nil || nak.Reason != rpcLimit || a.CAS(1).Counts().Splits != 1 {
		t.Errorf("on another server: %+v, %v, %d splits; want it refused and counted", nak, err, a.CAS(1).Counts().Splits)
	}
}

// Ports and addresses can be fixed, as of an Exchange with static ports.
func TestStaticRPCPorts(t *testing.T) {
	a := newArray(t, Options{Servers: 2, RPC: true, Hosts: []string{"127.0.0.71", "127.0.0.72"}})
	for i, want := range []string{"127.0.0.71:", "127.0.0.72:"} {
		for _, at := range []string{a.CAS(i).Addr(), a.CAS(i).MailAddr("rpc_endpoint_mapper", false), a.CAS(i).MailAddr("rpc_client_access", false)} {
			if !strings.HasPrefix(at, want) {
				t.Errorf("CAS %d is at %s; want %s", i, at, want)
			}
		}
	}
	o := Options{Servers: 2, Hosts: []string{"127.0.0.71", "127.0.0.72"}, RPC: true, RPCPorts: [3]int{1135, 59532, 59533}}
	for p, want := range []string{"127.0.0.72:1135", "127.0.0.72:59532", "127.0.0.72:59533"} {
		if got := o.newRPCPorts(1)[p]; got.address != want || got.moves {
			t.Errorf("port %d is %+v; want %s for ever", p, got, want)
		}
	}
}

// A service that is to refuse does so in its protocol.
func TestRPCRefuses(t *testing.T) {
	a := newArray(t, Options{Servers: 1, RPC: true})
	s := a.CAS(0)
	if err := s.Fault("rpc_client_access", Status(503)); err != nil {
		t.Fatal(err)
	}
	c := rpcWire(t, s, "rpc_client_access")
	if nak, err := msrpc.ParseBindNak(c.Ask(c.BindPDU(msrpc.TypeBind, msrpc.EMSMDB, 0))); err != nil || nak.Reason != rpcLimit {
		t.Errorf("%+v, %v", nak, err)
	}
}
