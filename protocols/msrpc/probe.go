package msrpc

import (
	"errors"
	"fmt"
	"net/netip"
)

// Probe asks a server for an interface: it binds to it and, where it is the
// endpoint mapper, asks where other interfaces listen. It is one side of a
// dialogue, without I/O: send what Begin returns, then hand what comes to Take
// and send what it returns, until Done.
type Probe struct {
	// Interface is what it binds to.
	Interface Syntax
	// Ask are the interfaces that it asks the mapper for, one after the other.
	Ask []Syntax
	// Protocol is how those are to be reached; 0 is TCP.
	Protocol Protocol

	reader  Reader
	answer  Assembly
	towers  [][]Tower
	bound   bool
	done    bool
	err     error
	answers int
}

// ErrNotRegistered tells that a mapper does not know an interface.
var ErrNotRegistered = errors.New("msrpc: the endpoint mapper has no such interface (0x16c9a0d6)")

// fragmentSize is what Windows says it sends and takes, in octets.
const fragmentSize = 5840

// A mapper answers a Probe with this many towers at most.
const maxTowers = 4

// The calls of a Probe: the bind, then what it asks for.
const bindCall = 1

// Begin appends the bind to dst.
func (p *Probe) Begin(dst []byte) []byte {
	b := Bind{
		Header:  Header{Type: TypeBind, Flags: First | Last, Drep: LittleEndian, Call: bindCall},
		MaxXmit: fragmentSize, MaxRecv: fragmentSize,
		Contexts: []Context{{Abstract: p.Interface, Transfer: []Syntax{NDR}}},
	}
	return b.AppendTo(dst)
}

// Take takes in what the server says, in any pieces, and appends to dst what to
// send. An error ends the dialogue: a *FaultError, ErrHeader or one that says how the
// server refused. An interface that is not registered is no error here.
func (p *Probe) Take(dst, in []byte) ([]byte, error) {
	p.reader.Whole = connectionOriented
	for len(in) > 0 && p.err == nil && !p.done {
		piece, used, err := p.reader.Next(in)
		in = in[used:]
		if err == nil && piece.Whole {
			dst, err = p.take(dst, piece.Octets, &piece.Header)
		}
		p.err = err
	}
	return dst, p.err
}

// take takes in a PDU.
func (p *Probe) take(dst, pdu []byte, h *Header) ([]byte, error) {
	want := TypeBindAck
	if p.bound {
		want = TypeResponse
	}
	switch {
	case h.Type == TypeFault:
		f, err := ParseFault(pdu)
		if err != nil {
			return dst, err
		}
		return dst, &FaultError{f.Status}
	case h.Type == TypeBindNak && !p.bound:
		return dst, refused(pdu)
	case h.Type != want || h.Call != p.call():
		return dst, fmt.Errorf("msrpc: want a PDU of type %d for call %d, got type %d for call %d", want, p.call(), h.Type, h.Call)
	case !p.bound:
		if err := acknowledged(pdu); err != nil {
			return dst, err
		}
		p.bound = true
		return p.next(dst), nil
	}
	done, err := p.answer.Add(pdu)
	if err == nil && done {
		err = p.learn()
	}
	if err != nil || !done {
		return dst, err
	}
	return p.next(dst), nil
}

// call returns the number of the call that is to be answered.
func (p *Probe) call() uint32 {
	if !p.bound {
		return bindCall
	}
	return bindCall + uint32(p.answers) + 1
}

// next asks for the next interface, if there is one.
func (p *Probe) next(dst []byte) []byte {
	if p.answers == len(p.Ask) {
		p.done = true
		return dst
	}
	return appendAsk(dst, p.call(), p.Ask[p.answers], p.protocol())
}

func (p *Probe) protocol() Protocol {
	if p.Protocol == 0 {
		return TCP
	}
	return p.Protocol
}

// appendAsk appends an ept_map call. A null object and a null handle ask for the
// first towers of any object.
func appendAsk(dst []byte, call uint32, iface Syntax, via Protocol) []byte {
	t := Tower{Interface: iface, Transfer: NDR, Protocol: via, Addr: netip.IPv4Unspecified()}
	q := MapRequest{HasObject: true, Tower: t.AppendTo(nil), Max: maxTowers}
	stub := q.AppendTo(nil, Encoding{})
	r := Request{Header: Header{Drep: LittleEndian, Call: call}, Hint: uint32(len(stub)), Op: OpMap, Stub: stub}
	return r.AppendTo(dst, fragmentSize)
}

// learn reads the answer that is whole.
func (p *Probe) learn() error {
	h := p.answer.Header()
	r, err := ParseMapResponse(p.answer.Stub(), Encoding{BigEndian: h.Drep.BigEndian()})
	if err != nil {
		return err
	}
	if r.Status != 0 && r.Status != NotRegistered {
		return fmt.Errorf("msrpc: the endpoint mapper answers with status 0x%08x", r.Status)
	}
	var towers []Tower
	for _, octets := range r.Towers {
		t, err := ParseTower(octets)
		if err != nil {
			return err
		}
		t.Name, t.Host = append([]byte(nil), t.Name...), append([]byte(nil), t.Host...)
		towers = append(towers, t)
	}
	p.towers = append(p.towers, towers)
	p.answers++
	p.answer.Reset()
	return nil
}

// Done reports whether all is answered.
func (p *Probe) Done() bool { return p.done }

// Towers returns the towers of the interface Ask[i].
func (p *Probe) Towers(i int) ([]Tower, error) {
	switch {
	case i >= len(p.towers):
		return nil, errors.New("msrpc: the endpoint mapper was not asked")
	case len(p.towers[i]) == 0:
		return nil, ErrNotRegistered
	}
	return p.towers[i], nil
}

// Ports returns the ports at which the interface Ask[i] listens, in any minor
// version, the mapper's first one first; without an error there is one.
func (p *Probe) Ports(i int) ([]uint16, error) {
	towers, err := p.Towers(i)
	if err != nil {
		return nil, err
	}
	var ports []uint16
	want := &p.Ask[i]
	for _, t := range towers {
		if t.Interface.UUID == want.UUID && t.Interface.Major == want.Major && t.Protocol == p.protocol() && t.Port != 0 {
			ports = append(ports, t.Port)
		}
	}
	if len(ports) == 0 {
		return nil, ErrNotRegistered
	}
	return ports, nil
}

// Port returns the first port at which the interface Ask[i] listens.
func (p *Probe) Port(i int) (uint16, error) {
	ports, err := p.Ports(i)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}

// acknowledged returns nil if a bind_ack accepts the one context.
func acknowledged(pdu []byte) error {
	b, err := ParseBindAck(pdu)
	if err != nil {
		return err
	}
	if len(b.Results) == 0 {
		return ErrPDU
	}
	if r := &b.Results[0]; r.Outcome != Accepted {
		return fmt.Errorf("msrpc: the interface is refused: %s", r.text())
	}
	return nil
}

// text says why a context is not accepted ([C706], Section 12.6.3).
func (r *Result) text() string {
	reasons := [...]string{"no reason given", "no such interface", "no common transfer syntax", "too many contexts"}
	if int(r.Reason) < len(reasons) {
		return reasons[r.Reason]
	}
	return fmt.Sprintf("reason %d", r.Reason)
}

// refused returns the error of a bind_nak.
func refused(pdu []byte) error {
	b, err := ParseBindNak(pdu)
	if err != nil {
		return err
	}
	return fmt.Errorf("msrpc: the bind is refused: reason %d", b.Reason)
}

// FaultError is a fault as the answer to a Probe. A server that gives one speaks
// DCE/RPC.
type FaultError struct {
	Status uint32 // [C706], Appendix E, or a Windows error: 5 is access denied
}

// Error implements error.
func (e *FaultError) Error() string { return fmt.Sprintf("msrpc: fault 0x%08x", e.Status) }
