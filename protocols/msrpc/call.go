package msrpc

import "slices"

// callSize is the length of what comes before the stub of a request without an
// object, and of a response, in octets.
const callSize = 24

// Request is a request PDU, a fragment or the whole of one call ([C706], Section
// 12.6.4.9). Parsed, its Stub and Auth are parts of the PDU.
type Request struct {
	Header  Header
	Hint    uint32 // alloc_hint: octets of stub from here to the end of the call; 0: unknown
	Context uint16
	Op      uint16
	Object  UUID // where the flags say HasObject
	Stub    []byte
	Auth    Auth
}

// ParseRequest reads a whole request PDU.
func ParseRequest(pdu []byte) (Request, error) {
	c, err := open(pdu, Of(TypeRequest))
	if err != nil {
		return Request{}, err
	}
	r := Request{Header: c.header, Hint: c.u32(), Context: c.u16(), Op: c.u16(), Auth: c.auth}
	if c.header.Flags&HasObject != 0 {
		r.Object = c.uuid()
	}
	if r.Stub = c.take(c.rest()); c.bad {
		return Request{}, ErrPDU
	}
	return r, nil
}

// AppendTo appends the call to dst, in PDUs of at most size octets; 0 is MaxPDU.
// It sets the flags First and Last.
func (r *Request) AppendTo(dst []byte, size int) []byte {
	fixed := callSize
	if r.Header.Flags&HasObject != 0 {
		fixed += 16
	}
	f := *r
	for part, flags := range fragments(r.Stub, size-fixed, &r.Auth) {
		f.Header.Flags = r.Header.Flags&^(First|Last) | flags
		start, o := len(dst), r.Header.Drep.order()
		dst = f.Header.begin(dst)
		dst = o.append32(dst, r.Hint)
		dst = o.append16(dst, r.Context)
		dst = o.append16(dst, r.Op)
		if fixed > callSize {
			dst = r.Object.append(dst, o)
		}
		dst = f.Header.finish(append(dst, part...), start, &r.Auth)
	}
	return dst
}

// Response is a response PDU, a fragment or the whole of one answer ([C706],
// Section 12.6.4.10). Parsed, its Stub and Auth are parts of the PDU.
type Response struct {
	Header  Header
	Hint    uint32
	Context uint16
	Cancels uint8
	Stub    []byte
	Auth    Auth
}

// ParseResponse reads a whole response PDU.
func ParseResponse(pdu []byte) (Response, error) {
	c, err := open(pdu, Of(TypeResponse))
	if err != nil {
		return Response{}, err
	}
	r := Response{Header: c.header, Hint: c.u32(), Context: c.u16(), Cancels: c.u8(), Auth: c.auth}
	c.take(1)
	if r.Stub = c.take(c.rest()); c.bad {
		return Response{}, ErrPDU
	}
	return r, nil
}

// AppendTo appends the answer to dst, in PDUs of at most size octets; 0 is
// MaxPDU. It sets the flags First and Last.
func (r *Response) AppendTo(dst []byte, size int) []byte {
	f := *r
	for part, flags := range fragments(r.Stub, size-callSize, &r.Auth) {
		f.Header.Flags = r.Header.Flags&^(First|Last) | flags
		start, o := len(dst), r.Header.Drep.order()
		dst = f.Header.begin(dst)
		dst = o.append32(dst, r.Hint)
		dst = o.append16(dst, r.Context)
		dst = append(dst, r.Cancels, 0)
		dst = f.Header.finish(append(dst, part...), start, &r.Auth)
	}
	return dst
}

// fragments cuts a stub into parts that fit, with their trailer, into room
// octets, each a multiple of eight but for the last.
func fragments(stub []byte, room int, a *Auth) func(yield func([]byte, Flags) bool) {
	if room <= 0 {
		room = MaxPDU - callSize - 16
	}
	if a.Present() {
		room -= trailerSize + 3 + len(a.Value)
	}
	room = max(room&^7, 8)
	return func(yield func([]byte, Flags) bool) {
		flags := First
		if len(stub) == 0 {
			yield(nil, First|Last)
			return
		}
		left := len(stub)
		for part := range slices.Chunk(stub, room) {
			if left -= len(part); left == 0 {
				flags |= Last
			}
			if !yield(part, flags) {
				return
			}
			flags = 0
		}
	}
}

// Fault is a fault PDU ([C706], Section 12.6.4.7): the call failed outside of
// what it is to do.
type Fault struct {
	Header  Header
	Hint    uint32
	Context uint16
	Cancels uint8
	Status  uint32 // [C706], Appendix E, or a Windows error
}

// ParseFault reads a whole fault PDU.
func ParseFault(pdu []byte) (*Fault, error) {
	c, err := open(pdu, Of(TypeFault))
	if err != nil {
		return nil, err
	}
	f := &Fault{Header: c.header, Hint: c.u32(), Context: c.u16(), Cancels: c.u8()}
	c.take(1)
	if f.Status = c.u32(); c.bad {
		return nil, ErrPDU
	}
	return f, nil
}

// AppendTo appends the PDU to dst.
func (f *Fault) AppendTo(dst []byte) []byte {
	start, o := len(dst), f.Header.Drep.order()
	dst = f.Header.begin(dst)
	dst = o.append32(dst, f.Hint)
	dst = o.append16(dst, f.Context)
	dst = append(dst, f.Cancels, 0)
	dst = o.append32(dst, f.Status)
	return f.Header.finish(append(dst, 0, 0, 0, 0), start, new(Auth))
}
