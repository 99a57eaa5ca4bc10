package persistence

import (
	"encoding/binary"
	"slices"
)

// readAssociation reads the association that an RPC connection joins: all
// connections of one belong to the server that began it.
func (k *walker) readAssociation(s *step) {
	key := s.association(k.request)
	if key.IsZero() {
		k.none(Absent)
		return
	}
	k.key(key)
}

// association returns the key of the association that r is of; the zero Key if
// there is none. Servers number their associations each for itself, so that a
// number names one only together with the client.
func (s *step) association(r *Request) Key {
	h := s.seed
	if r.Association == 0 || !s.addr.feed(&h, r.Source) {
		return Key{}
	}
	var id [4]byte
	binary.BigEndian.PutUint32(id[:], r.Association)
	h.write(id[:])
	return s.keyOf(h)
}

// KnowsAssociations reports whether a step of the chain reads RPC associations:
// then the chain is to be told of those that servers give.
func (c *Chain) KnowsAssociations() bool { return c.has(RPCAssociation) }

// has reports whether the chain has a step of that method.
func (c *Chain) has(by Method) bool {
	return slices.ContainsFunc(c.steps, func(s step) bool { return s.by == by })
}

// Associate takes in r.Association, which the server of w gave to the connection
// in its bind_ack: the association is bound to that server, whatever it was bound
// to before, and w keeps it alive from now on. It is to be called after Bind.
func (c *Chain) Associate(now int64, w *Walk, r *Request) {
	for i := range w.Readings[:w.N] {
		rd := &w.Readings[i]
		s := &c.steps[rd.Step]
		if s.by != RPCAssociation || w.served == 0 {
			continue
		}
		key := s.association(r)
		if key.IsZero() {
			continue
		}
		c.learn(now, w, rd, key, true)
	}
}

// learn binds key, which the server of w has given, to that server, with move also
// if it is bound to another one. From now on rd is of that key, and keeps it alive.
func (c *Chain) learn(now int64, w *Walk, rd *Reading, key Key, move bool) {
	got := c.table.bind(&order{
		key: key, word: newWord(w.served, seconds(now), true, c.idle),
		move: move, full: c.full,
	})
	if got.server() == w.served {
		*rd = Reading{Key: key, Server: w.served, Step: rd.Step, Use: Agreed, Standing: Usable, Confirmed: true, inUse: true}
	}
}
