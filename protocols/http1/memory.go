package http1

import (
	"sync"
	"time"

	"casbah/internal/httphead"
)

// keepBytes is the largest head buffer that goes back to a pool, in octets.
const keepBytes = 16 << 10

// shedAfter is how long a request that cannot be sent again waits before its
// head is shed. Most are answered by then, and cost nothing by this.
const shedAfter = int64(5 * time.Second)

// memory is what a request's head takes while it is needed. It is pooled apart
// from the exchange, which may last for an hour: a phone's Ping, a notification,
// a websocket.
type memory struct {
	raw    []byte
	kinds  []kind
	fields []httphead.Field
}

var memories = sync.Pool{New: func() any { return new(memory) }}

// borrow gives x the memory for a head.
func (x *exchange) borrow() {
	m := memories.Get().(*memory)
	x.memory, x.raw, x.kinds, x.req.Fields = m, m.raw, m.kinds, m.fields
}

// giveBack takes it from x, and with it all that points into it.
func (x *exchange) giveBack() {
	m := x.memory
	if m == nil {
		return
	}
	if cap(x.raw) <= keepBytes {
		m.raw, m.kinds, m.fields = x.raw[:0], x.kinds[:0], x.req.Fields[:0]
		memories.Put(m)
	}
	x.memory, x.raw, x.kinds, x.hops = nil, nil, nil, hops{}
	x.req = httphead.Request{}
}

// shed gives back what no answer, record or retry is going to need of a head
// that has left.
func (x *exchange) shed() {
	r := x.req
	x.html = x.wantsHTML()
	kept := make([]byte, 0, len(r.Method)+len(r.Host)+len(r.Path))
	for _, p := range [...]*[]byte{&r.Method, &r.Host, &r.Path} {
		at := len(kept)
		kept = append(kept, *p...)
		*p = kept[at:]
	}
	x.giveBack()
	x.req = httphead.Request{Minor: r.Minor, Method: r.Method, Host: r.Host, Path: r.Path}
}

// shedTime returns when the head of the open request is shed; far off while the
// request may be sent again.
func (c *Conn) shedTime() int64 {
	x := c.x
	if x.memory == nil || x.sent == 0 || c.retryable() {
		return never
	}
	return x.sent + shedAfter
}

// scratch is where a head is put together that the driver copies. It is pooled
// and held during a call only.
type scratch struct{ b []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// release gives s back to the pool.
func (s *scratch) release() {
	if cap(s.b) <= keepBytes {
		scratches.Put(s)
	}
}
