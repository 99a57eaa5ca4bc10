package msrpc

// LookupRequest asks for what is registered: ept_lookup.
type LookupRequest struct {
	Inquiry      uint32 // 0: all, 1: by interface, 2: by object, 3: by both
	HasObject    bool
	Object       UUID
	HasInterface bool
	Interface    Syntax
	Versions     uint32 // which are meant: 1 is all
	Handle       Handle
	Max          uint32 // entries wanted
}

// ParseLookupRequest reads the stub of an ept_lookup request, as ParseMapRequest
// that of ept_map.
func ParseLookupRequest(b []byte, e Encoding) (LookupRequest, error) {
	s := e.open(b)
	r := LookupRequest{Inquiry: s.long()}
	if r.HasObject = s.pointer() != 0; r.HasObject {
		r.Object = s.uuid()
	}
	if r.HasInterface = s.pointer() != 0; r.HasInterface {
		r.Interface = Syntax{UUID: s.uuid(), Major: s.u16(), Minor: s.u16()}
	}
	r.Versions, r.Handle, r.Max = s.long(), s.handle(), s.long()
	if s.bad {
		return LookupRequest{}, errStub
	}
	return r, nil
}

// AppendTo appends the stub to dst.
func (r *LookupRequest) AppendTo(dst []byte, e Encoding) []byte {
	w := e.build(dst)
	w.long(r.Inquiry)
	if r.HasObject {
		w.pointer(1)
		w.uuid(r.Object)
	} else {
		w.pointer(0)
	}
	if r.HasInterface {
		w.pointer(2)
		w.uuid(r.Interface.UUID)
		w.b = w.o.append16(w.b, r.Interface.Major)
		w.b = w.o.append16(w.b, r.Interface.Minor)
	} else {
		w.pointer(0)
	}
	w.long(r.Versions)
	w.handle(&r.Handle)
	w.long(r.Max)
	return w.b
}

// LookupResponse is the answer to ept_lookup. Parsed, its Entries hold parts of
// the stub.
type LookupResponse struct {
	Handle  Handle
	Max     int // the size of the array: what was asked for
	Entries []Entry
	Status  uint32
}

// Entry is what is registered.
type Entry struct {
	Object     UUID
	Tower      []byte // nil: none
	Annotation []byte // a name for people, without its NUL
}

// ParseLookupResponse reads the stub of an ept_lookup response.
func ParseLookupResponse(b []byte, e Encoding) (LookupResponse, error) {
	s := e.open(b)
	r := LookupResponse{Handle: s.handle()}
	r.Entries = make([]Entry, s.array(&r.Max, 28))
	present := make([]bool, len(r.Entries))
	for i := range r.Entries {
		present[i] = s.entry(&r.Entries[i])
	}
	for i := range r.Entries {
		if present[i] {
			r.Entries[i].Tower = s.tower()
		}
	}
	if r.Status = s.long(); !s.end() {
		return LookupResponse{}, errStub
	}
	return r, nil
}

// entry reads an ept_entry_t but for its tower, which stands behind all entries,
// and reports whether there is one.
func (s *stub) entry(e *Entry) (tower bool) {
	s.align(s.pointerSize())
	e.Object = s.uuid()
	tower = s.pointer() != 0
	if offset := s.count(); offset != 0 {
		s.bad = true
	}
	e.Annotation = unterminated(s.take(s.count()))
	return tower
}

// pointerSize is also how structures that hold a pointer are aligned.
func (s *stub) pointerSize() int {
	if s.wide {
		return 8
	}
	return 4
}

// AppendTo appends the stub to dst.
func (r *LookupResponse) AppendTo(dst []byte, e Encoding) []byte {
	w := e.build(dst)
	w.handle(&r.Handle)
	w.array(len(r.Entries), r.Max)
	for i := range r.Entries {
		e, referent := &r.Entries[i], uint64(0)
		if e.Tower != nil {
			referent = uint64(i + firstReferent)
		}
		if w.wide {
			w.align(8)
		}
		w.uuid(e.Object)
		w.pointer(referent)
		w.pointer(0)
		w.pointer(uint64(len(e.Annotation) + 1))
		w.b = append(append(w.b, e.Annotation...), 0)
	}
	for i := range r.Entries {
		if t := r.Entries[i].Tower; t != nil {
			w.tower(t)
		}
	}
	w.long(r.Status)
	return w.b
}
