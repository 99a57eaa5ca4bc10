package persistence

import (
	"slices"
	"time"

	"casbah/internal/httphead"
)

// outlookSession is the cookie that Outlook makes, one for each running Outlook:
// all channels of it carry it, from the first request on.
const outlookSession = "OutlookSession"

// virtualLife is how long the binding of a virtual connection lives without use
// at most. Its cookie is made for it alone and never comes back; while a channel
// is open, it is in use.
const virtualLife = 10 * time.Minute

// The tags of the readings of step rpc_connection.
const (
	ofSession uint32 = iota
	ofVirtual
)

// readConnection reads the virtual connection that the request opens a channel
// of, as far as that is known before its body, and what Outlook calls itself.
func (k *walker) readConnection(s *step) {
	before := k.walk.N
	if key := s.virtual(k.request); !key.IsZero() {
		k.bound(key, ofVirtual, k.chain.table.get(k.sec, key))
	}
	if value := outlookCookie(k.request.Head); len(value) > 0 && (k.walk.N == before || k.room()) {
		h := s.seed
		h.writeField([]byte(outlookSession))
		h.write(value)
		key := s.keyOf(h)
		k.bound(key, ofSession, k.chain.table.get(k.sec, key))
	}
	if k.walk.N == before {
		k.none(Absent)
	}
}

// outlookCookie returns the value of Outlook's cookie; nil without.
func outlookCookie(head *httphead.Request) []byte {
	for i := range head.Fields {
		f := &head.Fields[i]
		if !httphead.EqualFold(f.Name, "cookie") {
			continue
		}
		for name, value := range httphead.Cookies(f.Value) {
			if string(name) == outlookSession {
				return value
			}
		}
	}
	return nil
}

// virtual returns the key of the virtual connection of r; the zero Key if it is
// not known.
func (s *step) virtual(r *Request) Key {
	if r.Virtual == [16]byte{} {
		return Key{}
	}
	h := s.seed
	h.write(r.Virtual[:])
	return s.keyOf(h)
}

// isVirtual reports whether rd is of a virtual connection.
func (c *Chain) isVirtual(rd *Reading) bool {
	return rd.tag == ofVirtual && c.steps[rd.Step].by == RPCConnection
}

// KnowsConnections reports whether a step of the chain reads virtual connections
// of RPC over HTTP: then it is worth to wait for what a channel begins with.
func (c *Chain) KnowsConnections() bool { return c.has(RPCConnection) }

// Join takes in r.Virtual, which was not known when the server of w was chosen:
// it is bound to that server unless it has a live binding, and w keeps it alive
// from now on. It is to be called after Bind.
func (c *Chain) Join(now int64, w *Walk, r *Request) {
	if w.served == 0 || w.N == MaxReadings {
		return
	}
	at := slices.IndexFunc(c.steps, func(s step) bool { return s.by == RPCConnection })
	if at < 0 {
		return
	}
	key := c.steps[at].virtual(r)
	if key.IsZero() || slices.ContainsFunc(w.Readings[:w.N], func(rd Reading) bool { return rd.Key == key }) {
		return
	}
	w.Readings[w.N] = Reading{Key: key, tag: ofVirtual, Step: uint8(at), Use: Unbound}
	c.claim(seconds(now), w, &w.Readings[w.N], false)
	w.N++
}

// Outpaced reports whether Bind found that the virtual connection of the request
// was bound to another server since the walk: its other channel came at the same
// time. The request is to be decided anew.
func (w *Walk) Outpaced() bool { return w.outpaced }
