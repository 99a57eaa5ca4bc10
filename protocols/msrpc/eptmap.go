package msrpc

// The operations of the endpoint mapper ([C706], Appendix O).
const (
	OpLookup uint16 = 2
	OpMap    uint16 = 3
	OpFree   uint16 = 4 // ept_lookup_handle_free
)

// NotRegistered is the status of a mapper that has no such interface, or none
// any more: ept_s_not_registered ([C706], Appendix O).
const NotRegistered uint32 = 0x16c9a0d6

// maxEntries is how many towers a mapper answers with at most ([MS-RPCE],
// Sections 2.2.1.2.4 and 2.2.1.2.5: range(0,500)).
const maxEntries = 500

// Handle is the context handle by which a client asks for more. It is opaque.
type Handle [20]byte

// MapRequest asks where an interface listens: ept_map. Parsed, its Tower is part
// of the stub.
type MapRequest struct {
	HasObject bool
	Object    UUID
	Tower     []byte // with the interface and the protocols; nil: none
	Handle    Handle
	Max       uint32 // towers wanted
}

// ParseMapRequest reads the stub of an ept_map request. A client may send more
// behind it ([MS-RPCE], Section 2.2.2.13), which is not looked at.
func ParseMapRequest(b []byte, e Encoding) (MapRequest, error) {
	s := e.open(b)
	var r MapRequest
	if r.HasObject = s.pointer() != 0; r.HasObject {
		s.align(4)
		r.Object = s.uuid()
	}
	if s.pointer() != 0 {
		r.Tower = s.tower()
	}
	r.Handle, r.Max = s.handle(), s.long()
	if s.bad {
		return MapRequest{}, errStub
	}
	return r, nil
}

// AppendTo appends the stub to dst. The referent IDs are 1 and 2, as a Windows
// server of 2003 insists on.
func (r *MapRequest) AppendTo(dst []byte, e Encoding) []byte {
	w := e.build(dst)
	if r.HasObject {
		w.pointer(1)
		w.uuid(r.Object)
	} else {
		w.pointer(0)
	}
	if r.Tower != nil {
		w.pointer(2)
		w.tower(r.Tower)
	} else {
		w.pointer(0)
	}
	w.handle(&r.Handle)
	w.long(r.Max)
	return w.b
}

// MapResponse is the answer to ept_map. Parsed, its Towers are parts of the stub.
type MapResponse struct {
	Handle Handle
	Max    int // the size of the array: what was asked for
	Towers [][]byte
	Status uint32
}

// ParseMapResponse reads the stub of an ept_map response.
func ParseMapResponse(b []byte, e Encoding) (MapResponse, error) {
	s := e.open(b)
	r := MapResponse{Handle: s.handle()}
	present := make([]bool, s.array(&r.Max, 4))
	for i := range present {
		present[i] = s.pointer() != 0
	}
	for i := range present {
		if present[i] {
			r.Towers = append(r.Towers, s.tower())
		}
	}
	if r.Status = s.long(); !s.end() {
		return MapResponse{}, errStub
	}
	return r, nil
}

// array reads a count and the array that it counts, up to its elements, which have
// at least so many octets. It is 0 where they are not there.
func (s *stub) array(size *int, least int) int {
	n := int(min(s.long(), maxEntries+1))
	*size = s.count()
	offset, actual := s.count(), s.count()
	if n > maxEntries || offset != 0 || actual != n || *size < n || n*least > s.rest() {
		s.bad = true
		return 0
	}
	return n
}

// AppendTo appends the stub to dst.
func (r *MapResponse) AppendTo(dst []byte, e Encoding) []byte {
	w := e.build(dst)
	w.handle(&r.Handle)
	w.array(len(r.Towers), r.Max)
	for i := range r.Towers {
		w.pointer(uint64(i + firstReferent))
	}
	for _, t := range r.Towers {
		w.tower(t)
	}
	w.long(r.Status)
	return w.b
}

// firstReferent is the ID of the first pointer of an answer; 1 and 2 may be
// those of its request.
const firstReferent = 3

func (w *builder) array(n, size int) {
	w.long(uint32(n))
	w.pointer(uint64(max(size, n)))
	w.pointer(0)
	w.pointer(uint64(n))
}
