package health_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/balance"
	"casbah/health"
	"casbah/lab"
	"casbah/protocols/msrpc"
)

// rpcLab is one simulated server with RPC over TCP.
type rpcLab struct {
	*lab.CAS
	t *testing.T
}

func newRPCLab(t *testing.T) *rpcLab {
	t.Helper()
	a, err := lab.NewArray(lab.Options{Servers: 1, RPC: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return &rpcLab{a.CAS(0), t}
}

// at returns the way to a service.
func (l *rpcLab) at(service string) *balance.Endpoint {
	e := &balance.Endpoint{Name: "cas1", Target: "localhost:1"}
	e.SetAddr(netip.MustParseAddrPort(l.MailAddr(service, false)))
	return e
}

func (l *rpcLab) port(service string) uint16 {
	return netip.MustParseAddrPort(l.MailAddr(service, false)).Port()
}

// expect runs a probe and checks its error for want, or for none if want is empty.
func (l *rpcLab) expect(name string, p health.Probe, want string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	if err := p.Check(ctx); (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
		l.t.Errorf("%s: Check() = %v; want %q", name, err, want)
	}
}

func TestRPCProbe(t *testing.T) {
	l := newRPCLab(t)
	probe := func(service string, interfaces ...msrpc.Syntax) health.Probe {
		return &health.RPCProbe{Endpoint: l.at(service), Interfaces: interfaces}
	}
	l.expect("mailbox", probe("rpc_client_access", msrpc.EMSMDB), "")
	l.expect("book", probe("rpc_address_book", msrpc.NSPI, msrpc.RFR), "")
	l.expect("second-missing", probe("rpc_address_book", msrpc.NSPI, msrpc.EMSMDB), "bind: msrpc: the interface is refused: no such interface")
	unlearned := &health.RPCProbe{Endpoint: &balance.Endpoint{Learned: true}, Interfaces: []msrpc.Syntax{msrpc.NSPI}}
	l.expect("not-learned", unlearned, "endpoint mapper has not told its port")
	faulty := probe("rpc_client_access", msrpc.EMSMDB)
	for fault, want := range map[string]string{"503": "the bind is refused: reason 2", "garbage": "not the header of", "reset/0": "connection reset by peer"} {
		f, err := lab.ParseFault(fault)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Fault("rpc_client_access", f); err != nil {
			t.Fatal(err)
		}
		l.expect(fault, faulty, want)
	}
	l.Heal("rpc_client_access")
	l.expect("healed", faulty, "")
}

func TestEPMProbe(t *testing.T) {
	l := newRPCLab(t)
	mapper := l.at("rpc_endpoint_mapper")
	probe := func(wants ...health.Registered) health.Probe { return &health.EPMProbe{Endpoint: mapper, Wants: wants} }
	emsmdb := health.Registered{Interface: msrpc.EMSMDB, Name: "emsmdb"}
	l.expect("any-port", probe(emsmdb, health.Registered{Interface: msrpc.NSPI}, health.Registered{Interface: msrpc.RFR}), "")
	emsmdb.Port = l.port("rpc_client_access")
	l.expect("its-port", probe(emsmdb), "")
	emsmdb.Port++
	l.expect("another-port", probe(emsmdb), "emsmdb: want port ")
	unknown := health.Registered{Interface: msrpc.Syntax{Major: 9}, Name: "other"}
	l.expect("unknown", probe(unknown), "other: msrpc: the endpoint mapper has no such interface")
	l.expect("no-mapper", &health.EPMProbe{Endpoint: l.at("rpc_address_book"), Wants: []health.Registered{unknown}}, "bind: msrpc: the interface is refused")
	ports, err := health.Ports(t.Context(), mapper, []msrpc.Syntax{msrpc.RFR, unknown.Interface, msrpc.EMSMDB})
	if err != nil || ports[0] != l.port("rpc_address_book") || ports[1] != 0 || ports[2] != l.port("rpc_client_access") {
		t.Errorf("ports %v, %v", ports, err)
	}
}

// A server that never comes to an end is not listened to for ever.
func TestRPCProbeBounds(t *testing.T) {
	bind := (&msrpc.Fault{Header: msrpc.Header{Type: msrpc.TypeCancel, Drep: msrpc.LittleEndian}}).AppendTo(nil)
	part := (&msrpc.Response{Header: msrpc.Header{Drep: msrpc.LittleEndian, Call: 2}, Stub: make([]byte, 2048)}).AppendTo(nil, 64)
	part = part[:len(part)/2] // no last one
	ack := (&msrpc.BindAck{
		Header:  msrpc.Header{Type: msrpc.TypeBindAck, Drep: msrpc.LittleEndian, Call: 1},
		Results: []msrpc.Result{{Transfer: msrpc.NDR}},
	}).AppendTo(nil)
	for _, tt := range []struct {
		name        string
		first, then []byte
		want        string
	}{
		{"other-pdus", nil, bind, "want a PDU of type"},
		{"fragments", ack, part, "msrpc: "},
		{"one-pdu-that-grows", nil, []byte("\x05\x00\x0c\x03\x10\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00" + strings.Repeat("\x00", 40)), "bind: "},
		{"octet-by-octet", nil, []byte{0}, "not the header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				_, err = c.Write(tt.first)
				for ; err == nil; _, err = c.Write(tt.then) {
				}
			}()
			defer func() {
				ln.Close()
				<-done
			}()
			e := new(balance.Endpoint)
			e.SetAddr(netip.MustParseAddrPort(ln.Addr().String()))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err = (&health.EPMProbe{Endpoint: e, Wants: []health.Registered{{Interface: msrpc.NSPI}}}).Check(ctx)
			if err == nil || errors.Is(err, health.ErrTimeout) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check() = %v; want %q", err, tt.want)
			}
		})
	}
}
