// Package rpctest is a client of RPC over TCP for tests.
package rpctest

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"

	"casbah/protocols/msrpc"
)

// fragment is how long a fragment is said to be, in octets, as Windows has it.
const fragment = 5840

// Client is one connection. Its steps fail the test where the server does not
// speak RPC, or has gone.
type Client struct {
	net.Conn

	BigEndian bool // it says integers so

	tb     testing.TB
	reader msrpc.Reader
	left   []byte
	calls  uint32
}

// New returns the client of a connection.
func New(tb testing.TB, c net.Conn) *Client {
	tb.Helper()
	return &Client{Conn: c, tb: tb, reader: msrpc.Reader{
		Whole: msrpc.Of(msrpc.TypeBindAck, msrpc.TypeBindNak, msrpc.TypeAlterResp, msrpc.TypeResponse, msrpc.TypeFault),
	}}
}

// Header returns that of a PDU which is a whole call.
func Header(t msrpc.Type, call uint32) msrpc.Header {
	return msrpc.Header{Type: t, Flags: msrpc.First | msrpc.Last, Drep: msrpc.LittleEndian, Call: call}
}

// Ask sends octets and returns the next PDU of the server.
func (c *Client) Ask(out []byte) []byte {
	c.tb.Helper()
	pdu, err := c.Try(out)
	if err != nil {
		c.tb.Fatal(err)
	}
	return pdu
}

// Try is Ask for a server that may be gone.
func (c *Client) Try(out []byte) ([]byte, error) {
	if _, err := c.Write(out); err != nil {
		return nil, err
	}
	in := make([]byte, 4096)
	for {
		for len(c.left) > 0 {
			piece, used, err := c.reader.Next(c.left)
			if err != nil {
				return nil, err
			}
			if c.left = c.left[used:]; piece.Whole {
				return bytes.Clone(piece.Octets), nil
			}
		}
		n, err := c.Read(in)
		if err != nil {
			return nil, err
		}
		c.left = append(c.left, in[:n]...)
	}
}

// BindPDU returns a bind or an alter_context that offers an interface in the
// contexts 0 (NDR), 1 (NDR64) and 2 (features), to join an association; 0 begins one.
func (c *Client) BindPDU(t msrpc.Type, iface msrpc.Syntax, association uint32) []byte {
	c.calls++
	h := Header(t, c.calls)
	if c.BigEndian {
		h.Drep = msrpc.Drep{}
	}
	b := msrpc.Bind{
		Header: h, MaxXmit: fragment, MaxRecv: fragment, Association: association,
		Contexts: []msrpc.Context{
			{ID: 0, Abstract: iface, Transfer: []msrpc.Syntax{msrpc.NDR}},
			{ID: 1, Abstract: iface, Transfer: []msrpc.Syntax{msrpc.NDR64}},
			{ID: 2, Abstract: iface, Transfer: []msrpc.Syntax{msrpc.FeatureSyntax(3)}},
		},
	}
	return b.AppendTo(nil)
}

// errRefused is the answer of a server that does not take a bind.
var errRefused = errors.New("rpctest: the bind is refused")

// Bind binds and returns the association that the server has put the client into.
func (c *Client) Bind(iface msrpc.Syntax, association uint32) (uint32, error) {
	pdu, err := c.Try(c.BindPDU(msrpc.TypeBind, iface, association))
	if err != nil {
		return 0, err
	}
	ack, err := msrpc.ParseBindAck(pdu)
	switch {
	case err != nil:
		return 0, errRefused
	case len(ack.Results) != 3 || ack.Results[0].Outcome != msrpc.Accepted:
		return 0, errRefused
	default:
		return ack.Association, nil
	}
}

// Bound is Bind that has to succeed.
func (c *Client) Bound(iface msrpc.Syntax, association uint32) uint32 {
	c.tb.Helper()
	id, err := c.Bind(iface, association)
	if err != nil {
		c.tb.Fatalf("bind to %s in association %d: %v", iface, association, err)
	}
	return id
}

// Call calls an operation, in fragments of size octets (0: one), and returns the stub of the
// answer; a fault is a *msrpc.FaultError.
func (c *Client) Call(context, op uint16, stub []byte, size int) ([]byte, error) {
	c.tb.Helper()
	c.calls++
	r := msrpc.Request{Header: Header(msrpc.TypeRequest, c.calls), Hint: uint32(len(stub)), Context: context, Op: op, Stub: stub}
	pdu := c.Ask(r.AppendTo(nil, size))
	if answer, err := msrpc.ParseResponse(pdu); err == nil {
		return answer.Stub, nil
	}
	f, err := msrpc.ParseFault(pdu)
	if err != nil {
		c.tb.Fatal(err)
	}
	return nil, &msrpc.FaultError{Status: f.Status}
}

// Map asks an endpoint mapper, to which the client has bound, for an interface over
// TCP, and returns the status and the towers of the answer.
func (c *Client) Map(iface msrpc.Syntax, size int) (towers []msrpc.Tower, status uint32) {
	c.tb.Helper()
	t := msrpc.Tower{Interface: iface, Transfer: msrpc.NDR, Protocol: msrpc.TCP, Addr: netip.IPv4Unspecified()}
	q := msrpc.MapRequest{HasObject: true, Tower: t.AppendTo(nil), Max: 4}
	out, err := c.Call(0, msrpc.OpMap, q.AppendTo(nil, msrpc.Encoding{}), size)
	if err != nil {
		c.tb.Fatal(err)
	}
	r, err := msrpc.ParseMapResponse(out, msrpc.Encoding{})
	if err != nil {
		c.tb.Fatal(err)
	}
	for _, octets := range r.Towers {
		tower, err := msrpc.ParseTower(octets)
		if err != nil {
			c.tb.Fatal(err)
		}
		towers = append(towers, tower)
	}
	return towers, r.Status
}
