package msrpc

import (
	"errors"
	"math"
)

// Encoding is how the stub of a call is written: by the PDU's header, and by the
// transfer syntax that the bind agreed on.
type Encoding struct {
	BigEndian bool
	NDR64     bool // pointers and counts have 64 bits ([MS-RPCE], Section 2.2.5)
}

// errStub tells that a stub is not that of its call.
var errStub = errors.New("msrpc: malformed parameters of a call to the endpoint mapper")

// stub reads the parameters of a call: a cursor whose integers are aligned.
type stub struct {
	cursor

	wide bool
}

func (e Encoding) open(b []byte) stub {
	return stub{cursor: cursor{b: b, o: order(e.BigEndian)}, wide: e.NDR64}
}

// long reads an integer of 32 bits.
func (s *stub) long() uint32 {
	s.align(4)
	return s.u32()
}

// pointer reads a referent ID; 0 is a null pointer.
func (s *stub) pointer() uint64 {
	if s.wide {
		s.align(8)
		return s.u64()
	}
	return uint64(s.long())
}

// count reads a count of elements, which is that of an array's dimension.
func (s *stub) count() int {
	n := s.pointer()
	if n > math.MaxInt32 {
		s.bad = true
		return 0
	}
	return int(n)
}

// handle reads a context handle.
func (s *stub) handle() Handle {
	s.align(4)
	if p := s.take(len(Handle{})); p != nil {
		return Handle(p)
	}
	return Handle{}
}

// tower reads a twr_t: the conformance of its array comes first.
func (s *stub) tower() []byte {
	n := s.count()
	if length := s.long(); uint64(length) != uint64(n) {
		s.bad = true
	}
	return s.take(n)
}

// end reports whether all was read well, but for what fills up the last octets.
func (s *stub) end() bool { return !s.bad && s.rest() < 8 }

// builder writes the parameters of a call.
type builder struct {
	b    []byte
	base int
	o    order
	wide bool
}

func (e Encoding) build(dst []byte) *builder {
	return &builder{b: dst, base: len(dst), o: order(e.BigEndian), wide: e.NDR64}
}

func (w *builder) align(n int) { w.b = fill(w.b, w.base, n) }

func (w *builder) long(v uint32) {
	w.align(4)
	w.b = w.o.append32(w.b, v)
}

func (w *builder) pointer(v uint64) {
	if w.wide {
		w.align(8)
		w.b = w.o.append64(w.b, v)
		return
	}
	w.long(uint32(v))
}

func (w *builder) uuid(id UUID) {
	w.align(4)
	w.b = id.append(w.b, w.o)
}

func (w *builder) handle(h *Handle) {
	w.align(4)
	w.b = append(w.b, h[:]...)
}

func (w *builder) tower(t []byte) {
	w.pointer(uint64(len(t)))
	w.long(uint32(len(t)))
	w.b = append(w.b, t...)
}
