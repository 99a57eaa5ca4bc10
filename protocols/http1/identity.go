package http1

import (
	"bytes"
	"sync/atomic"

	"casbah/engine"
	"casbah/internal/httphead"
	"casbah/protocols/ntlm"
	"casbah/route"
)

// numbers gives each client connection a number that no other one has or had.
var numbers atomic.Uint64

// maxName is how many octets of a name are kept: a domain's and a user's fill 36.
const maxName = 39

// identity is whom the credentials that went over a connection last have named. That
// is what the client claims; whether the server has believed it is between them. It
// holds no secret. The zero value is nobody.
type identity struct {
	sum  uint64 // of the whole name
	n    uint8
	name [maxName]byte // cut where it does not fit
}

// take notes that name was claimed, and reports whether somebody else was before.
func (id *identity) take(name []byte) (changed bool) {
	sum := uint64(14695981039346656037) // FNV-1a
	for _, c := range name {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	changed = id.n > 0 && id.sum != sum
	id.sum, id.n = sum, uint8(copy(id.name[:], name))
	return changed
}

// text returns the name, as far as it is kept.
func (id *identity) text() []byte { return id.name[:id.n] }

// carry notes whom the credentials of the open request name, which is going to leave
// on u. Another user on a pair logs on anew there, as a browser does whose user has
// changed; that is the server's business, and counted.
func (c *Conn) carry(u *upstream) {
	var room [512]byte
	for i := range c.x.req.Fields {
		f := &c.x.req.Fields[i]
		if c.x.kinds[i] != authorization {
			continue
		}
		if name, ok := claimed(room[:0], f.Value); ok && u.carried.take(name) {
			c.x.vip.Counters.Identities.Relogins.Add(1)
		}
	}
}

// claimed appends to dst whom the credentials of an Authorization header name, the
// last of them where they are several. Those that Kerberos names are all one.
func claimed(dst, value []byte) (name []byte, ok bool) {
	elem, rest := httphead.Cut(value)
	for ; elem != nil; elem, rest = httphead.Cut(rest) {
		if !namesIdentity(elem) {
			continue
		}
		n := schemeLen(elem)
		credentials := bytes.TrimSpace(elem[n:])
		if len(credentials) > 0 && httphead.EqualFold(elem[:n], ntlm.Kerberos) {
			name, ok = append(dst[:0], ntlm.Kerberos...), true
			continue
		}
		if who, found := ntlm.AppendIdentity(dst[:0], ntlm.Base64(credentials)); found {
			name, ok = who, true
		}
	}
	return name, ok
}

// owns reports whether the open request may leave on u: a connection that carries an
// identity is tied to this client connection, any other to nobody. The driver keeps
// with each connection whose it is, over parking too, and knows nothing of pins: so
// that two who would have to err in the same way stand against a request on a
// foreign connection.
func (c *Conn) owns(u *upstream) bool {
	want := uint64(0)
	if u.pinned() {
		want = c.number
	}
	return c.d.Tie(u.leg, 0) == want
}

// disown ends the client connection with all that it has, because u is somebody
// else's: nothing is sent, to nobody, and nothing is parked. It is a fault of
// casbah's own.
func (c *Conn) disown(u *upstream) {
	x := c.x
	x.vip.Foreign(route.Foreign{
		At: c.now, VIP: x.vip.Name, Profile: x.profile.Name, Server: u.endpoint.Name, Client: c.remote, Pinned: u.pinned(),
	})
	c.conclude(route.EndIdentity)
	c.sever()
}

// sever resets everything.
func (c *Conn) sever() {
	if c.free != nil {
		c.drop(c.free, engine.Reset)
	}
	for c.pins != nil {
		c.drop(c.pins, engine.Reset)
	}
	c.close(engine.Reset)
}
