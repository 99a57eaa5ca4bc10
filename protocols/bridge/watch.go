package bridge

import (
	"sync"

	"casbah/engine"
	"casbah/internal/hello"
)

// splitOctets is how much of the server's hello is kept where it comes in pieces.
// Up to TLS 1.2 it has some 100 octets; one of TLS 1.3 gives no session.
const splitOctets = 1 << 10

// split is the beginning of what the server has said.
type split struct {
	b [splitOctets]byte
	n int
}

var splits = sync.Pool{New: func() any { return new(split) }}

// release gives s back to the pool; nil is nothing.
func (s *split) release() {
	if s != nil {
		s.n = 0
		splits.Put(s)
	}
}

// watch looks at the server's hello as it passes on to the client: b is what it
// has said since the last call. It is for the client to judge what is wrong with
// it; then it gives no session.
func (c *Conn) watch(now int64, b []byte, d engine.Driver) (used int) {
	p := c.pair
	p.last = now
	seen, full := b, false
	if p.split != nil {
		seen, full = p.split.add(b)
	}
	var h hello.Server
	whole, alert := p.assembly.Server(seen, &h)
	switch {
	case whole && alert == hello.NoAlert:
		p.d.Session(now, h.SessionID())
	case !whole && alert == hello.NoAlert && !full:
		if p.split == nil {
			p.split = splits.Get().(*split) //nolint:forcetypeassert // the pool holds nothing else
			_, full = p.split.add(b)
		}
		if !full {
			return p.pass(b, d)
		}
	}
	p.split.release()
	p.split, p.stage = nil, joined
	d.Move(p.server, engine.Client, -1)
	return 0
}

// add appends b, and reports whether that was too much.
func (s *split) add(b []byte) (all []byte, full bool) {
	n := copy(s.b[s.n:], b)
	s.n += n
	return s.b[:s.n], n < len(b)
}

// pass sends b on to the client.
func (p *pair) pass(b []byte, d engine.Driver) (used int) {
	d.Send(engine.Client, b)
	p.out += int64(len(b))
	p.vip.Counters.Out.Add(uint64(len(b)))
	return len(b)
}
