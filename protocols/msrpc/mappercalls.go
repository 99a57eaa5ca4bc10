package msrpc

// contexts are the presentation contexts of the endpoint mapper that a
// connection has.
type contexts struct {
	offered  [maxContexts]offered
	nOffered int
	call     uint32 // the bind that offers them
	accepted [maxContexts]accepted
	n        int
}

// maxContexts is how many contexts of the mapper are followed. A client offers
// it in each of the transfer syntaxes that it knows, of which there are two.
const maxContexts = 8

type offered struct {
	index int // in the bind, and in its answer
	id    uint16
}

type accepted struct {
	id   uint16
	wide bool // NDR64
}

// offer takes in a bind or an alter_context.
func (x *contexts) offer(b *Bind) {
	x.nOffered, x.call = 0, b.Header.Call
	for i := range b.Contexts {
		c := &b.Contexts[i]
		if x.nOffered == maxContexts || c.Abstract.UUID != EPM.UUID || c.Abstract.Major != EPM.Major {
			continue
		}
		x.offered[x.nOffered] = offered{i, c.ID}
		x.nOffered++
	}
}

// accept takes in the answer to it.
func (x *contexts) accept(b *BindAck) {
	if b.Header.Call != x.call {
		return
	}
	for _, o := range x.offered[:x.nOffered] {
		if o.index >= len(b.Results) {
			break
		}
		r := &b.Results[o.index]
		if r.Outcome == Accepted && (r.Transfer == NDR || r.Transfer == NDR64) {
			x.add(accepted{o.id, r.Transfer == NDR64})
		}
	}
	x.nOffered = 0
}

// add takes in a context, in place of one of the same number.
func (x *contexts) add(a accepted) {
	for i := range x.accepted[:x.n] {
		if x.accepted[i].id == a.id {
			x.accepted[i] = a
			return
		}
	}
	if x.n < maxContexts {
		x.accepted[x.n] = a
		x.n++
	}
}

// encoding reports whether id is a context of the mapper, and whether in NDR64.
func (x *contexts) encoding(id uint16) (wide, ok bool) {
	for _, a := range x.accepted[:x.n] {
		if a.id == id {
			return a.wide, true
		}
	}
	return false, false
}

// calls are the calls to the mapper that have not been answered. Clients make one
// at a time; of more than there is room for the oldest is forgotten.
type calls struct {
	list [maxCalls]call
	next int
}

const maxCalls = 8

// call is a call to the mapper.
type call struct {
	open  bool
	wide  bool // NDR64
	op    uint16
	id    uint32
	asked Syntax
}

func (cs *calls) find(id uint32) *call {
	for i := range cs.list {
		if c := &cs.list[i]; c.open && c.id == id {
			return c
		}
	}
	return nil
}

func (cs *calls) add(c call) {
	if old := cs.find(c.id); old != nil {
		*old = c
		return
	}
	cs.list[cs.next] = c
	cs.next = (cs.next + 1) % maxCalls
}

// take ends a call.
func (cs *calls) take(id uint32) (call, bool) {
	c := cs.find(id)
	if c == nil {
		return call{}, false
	}
	old := *c
	*c = call{}
	return old, true
}

// towers returns the towers in the answer to c, which are parts of stub.
func (c *call) towers(stub []byte, bigEndian bool) ([][]byte, uint32, error) {
	e := Encoding{BigEndian: bigEndian, NDR64: c.wide}
	if c.op == OpMap {
		r, err := ParseMapResponse(stub, e)
		return r.Towers, r.Status, err
	}
	r, err := ParseLookupResponse(stub, e)
	var towers [][]byte
	for i := range r.Entries {
		towers = append(towers, r.Entries[i].Tower)
	}
	return towers, r.Status, err
}
