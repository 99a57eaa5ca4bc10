// Package tlsid carries the identity of a TLS session from who seals it into
// tickets to who drives the connection. crypto/tls knows nothing of it: its
// callbacks find the Note through the connection below.
package tlsid

// ID is the random name of a TLS session, the same at every resumption. The zero
// ID is none.
type ID [16]byte

// IsZero reports whether there is no identity.
func (id ID) IsZero() bool { return id == ID{} }

// Note is what one handshake has learned of the identity. The zero value is
// ready; only the goroutine of the handshake uses it until that is over.
type Note struct {
	id     ID
	sealed bool
}

// Carrier is a net.Conn below a tls.Conn that has a Note for its handshake.
type Carrier interface {
	TLSNote() *Note
}

// Opened takes down the identity in a ticket that the client has shown. Whether
// its session is resumed is not known yet.
func (n *Note) Opened(id ID) { n.id = id }

// Sealed takes down the identity in the ticket that the client is given.
func (n *Note) Sealed(id ID) { n.id, n.sealed = id, true }

// ID returns the identity of the connection's session, of which resumed says
// whether it is an older one. It is zero for a client that takes no tickets.
func (n *Note) ID(resumed bool) ID {
	if resumed || n.sealed {
		return n.id
	}
	return ID{}
}
