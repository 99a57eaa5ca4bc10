package msrpc

import "errors"

// Assembly puts the fragments of one request or response together. It keeps them
// as they came.
type Assembly struct {
	MaxOctets    int // of all PDUs together; 0 is 128 KiB, 500 towers with their annotations
	MaxFragments int // 0 is 128

	header Header // of the first fragment
	raw    []byte
	parts  []part
	size   int // of the stub
	done   bool
}

// part is where a fragment's stub stands in raw.
type part struct{ at, n int }

const (
	defaultOctets    = 128 << 10
	defaultFragments = 128
)

// errLimit tells that a call is longer than the limits allow, errOrder that a
// PDU is not the next fragment.
var (
	errLimit = errors.New("msrpc: a call of too many octets or fragments")
	errOrder = errors.New("msrpc: a fragment of another call, or out of order")
)

// Add adds a whole request or response PDU, and reports whether it was the last
// one of its call. After an error the Assembly is as it was before.
func (a *Assembly) Add(pdu []byte) (done bool, err error) {
	h, stub, err := stubOf(pdu)
	if err != nil {
		return false, err
	}
	begins := h.Flags&First != 0
	switch {
	case begins != a.Empty(), a.done:
		return false, errOrder
	case !begins && (h.Type != a.header.Type || h.Call != a.header.Call || h.Drep != a.header.Drep):
		return false, errOrder
	case len(a.raw)+len(pdu) > orDefault(a.MaxOctets, defaultOctets), len(a.parts) >= orDefault(a.MaxFragments, defaultFragments):
		return false, errLimit
	}
	if begins {
		a.header = h
	}
	at := len(a.raw) + stub.at
	a.raw = append(a.raw, pdu...)
	a.parts = append(a.parts, part{at, stub.n})
	a.size += stub.n
	a.done = h.Flags&Last != 0
	return a.done, nil
}

// stubOf says where the stub of a request or a response stands.
func stubOf(pdu []byte) (Header, part, error) {
	c, err := open(pdu, Of(TypeRequest, TypeResponse))
	if err != nil {
		return Header{}, part{}, err
	}
	h := c.header
	c.take(callSize - headerSize)
	if h.Type == TypeRequest && h.Flags&HasObject != 0 {
		c.take(16)
	}
	if c.bad {
		return h, part{}, ErrPDU
	}
	return h, part{c.at, c.rest()}, nil
}

func orDefault(n, or int) int {
	if n == 0 {
		return or
	}
	return n
}

// Empty reports whether there is no fragment.
func (a *Assembly) Empty() bool { return len(a.parts) == 0 }

// Header returns the header of the first fragment.
func (a *Assembly) Header() Header { return a.header }

// Raw returns the PDUs, one behind the other. They are part of a.
func (a *Assembly) Raw() []byte { return a.raw }

// Stub returns the stub of the call. It is part of a where there is one fragment,
// else a copy.
func (a *Assembly) Stub() []byte {
	if len(a.parts) == 1 {
		return a.raw[a.parts[0].at:][:a.size:a.size]
	}
	stub := make([]byte, 0, a.size)
	for _, p := range a.parts {
		stub = append(stub, a.raw[p.at:p.at+p.n]...)
	}
	return stub
}

// SetStub puts another stub of the same length into the fragments.
func (a *Assembly) SetStub(stub []byte) {
	for _, p := range a.parts {
		stub = stub[copy(a.raw[p.at:p.at+p.n], stub):]
	}
}

// Reset forgets the call. It keeps no memory beyond that of a short one.
func (a *Assembly) Reset() {
	a.raw, a.parts = a.raw[:0], a.parts[:0]
	if cap(a.raw) > kept {
		a.raw, a.parts = nil, nil
	}
	a.header, a.size, a.done = Header{}, 0, false
}
