package health

import (
	"context"
	"fmt"
	"io"
	"slices"

	"casbah/balance"
	"casbah/protocols/msrpc"
)

// RPCProbe takes a service for good that accepts a bind to each of its interfaces.
// It logs in nowhere and calls nothing.
type RPCProbe struct {
	Endpoint   *balance.Endpoint
	Interfaces []msrpc.Syntax
}

// Check has one connection for each interface.
func (p *RPCProbe) Check(ctx context.Context) error {
	for _, iface := range p.Interfaces {
		if err := converse(ctx, p.Endpoint, &msrpc.Probe{Interface: iface}); err != nil {
			return err
		}
	}
	return nil
}

// EPMProbe takes an endpoint mapper for good that knows each of the interfaces,
// over TCP and, where a port is expected, at that port.
type EPMProbe struct {
	Endpoint *balance.Endpoint
	Wants    []Registered
}

// Registered is an interface that an endpoint mapper has to know.
type Registered struct {
	Interface msrpc.Syntax
	Name      string // for errors
	Port      uint16 // 0: any
}

// Check asks the mapper for each of them.
func (p *EPMProbe) Check(ctx context.Context) error {
	q := msrpc.Probe{Interface: msrpc.EPM}
	for i := range p.Wants {
		q.Ask = append(q.Ask, p.Wants[i].Interface)
	}
	if err := converse(ctx, p.Endpoint, &q); err != nil {
		return err
	}
	for i := range p.Wants {
		w := &p.Wants[i]
		ports, err := q.Ports(i)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", w.Name, err)
		case w.Port != 0 && !slices.Contains(ports, w.Port):
			return fmt.Errorf("%s: want port %d, got %d", w.Name, w.Port, ports)
		}
	}
	return nil
}

// Ports asks the endpoint mapper at e where interfaces listen over TCP. A port of
// 0 is that of one that the mapper does not know.
func Ports(ctx context.Context, e *balance.Endpoint, interfaces []msrpc.Syntax) ([]uint16, error) {
	q := msrpc.Probe{Interface: msrpc.EPM, Ask: interfaces}
	if err := converse(ctx, e, &q); err != nil {
		return nil, err
	}
	ports := make([]uint16, len(interfaces))
	for i := range ports {
		if all, err := q.Ports(i); err == nil {
			ports[i] = all[0]
		}
	}
	return ports, nil
}

// converse has the dialogue of q over a connection of its own.
func converse(ctx context.Context, e *balance.Endpoint, q *msrpc.Probe) error {
	conn, release, err := dial(ctx, e)
	if err != nil {
		return err
	}
	defer release()
	name, out, in := "bind", q.Begin(nil), make([]byte, 4096)
	left := io.LimitedReader{R: conn, N: maxAnswer}
	for !q.Done() {
		if _, err := conn.Write(out); err != nil {
			return step(ctx, name, err)
		}
		if out, err = hear(&left, q, in); err != nil {
			return step(ctx, name, err)
		}
		name = "ept_map"
	}
	return nil
}

// hear takes in what the server says up to the next question.
func hear(from *io.LimitedReader, q *msrpc.Probe, in []byte) (out []byte, err error) {
	for len(out) == 0 && !q.Done() {
		n, err := from.Read(in)
		if err != nil {
			if from.N <= 0 {
				return nil, fmt.Errorf("more than %d octets", maxAnswer)
			}
			return nil, err
		}
		if out, err = q.Take(nil, in[:n]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
