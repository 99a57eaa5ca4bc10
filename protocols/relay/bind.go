package relay

import (
	"net/netip"
	"sync"

	"casbah/protocols/msrpc"
	"casbah/route"
)

// bindReader reads which association an RPC connection joins: what the client's
// bind asks for, before a server is chosen, and what the server's bind_ack gives.
// Who begins with something else is balanced as if there were no reader.
type bindReader struct {
	association msrpc.Association
	source      netip.Addr
	seen        [msrpc.AssociationOctets]byte // of the server, where they come in pieces
	n           int
}

var bindReaders = sync.Pool{New: func() any { return new(bindReader) }}

// ReadBind returns the reader of an RPC connection whose profile knows clients by
// their associations.
func ReadBind() Reader { return bindReaders.Get().(*bindReader) } //nolint:forcetypeassert // the pool holds nothing else

// Release implements Reader.
func (r *bindReader) Release() {
	*r = bindReader{}
	bindReaders.Put(r)
}

// Host implements Reader.
func (r *bindReader) Host() []byte { return nil }

// Client implements Reader.
func (r *bindReader) Client(_ *route.VIP, rq *route.Request, p []byte) Verdict {
	if r.association.Client(p) == msrpc.More {
		return Verdict{}
	}
	rq.Association, r.source = r.association.Asked(), rq.Source
	return Verdict{Is: Known}
}

// Cut implements Reader.
func (r *bindReader) Cut() Verdict { return Verdict{} }

// Watches implements Reader. Who began with something else gets no bind_ack.
func (r *bindReader) Watches(*route.Profile) bool { return r.association.Bound() }

// Server implements Reader.
func (r *bindReader) Server(now int64, d *route.Decision, p []byte) (enough bool) {
	r.n += copy(r.seen[r.n:], p)
	if r.association.Server(r.seen[:r.n]) == msrpc.More {
		return false
	}
	if id := r.association.Got(); id != 0 {
		d.Associate(now, &route.Request{Source: r.source, Association: id})
	}
	return true
}
