// Package tlsid carries the identity of a TLS session from who seals it into
// tickets to who drives the connection. crypto/tls knows nothing of it: its
// callbacks find the Note through the connection below. By the same way it comes to
// know that the handshake is all there is to a connection.
package tlsid

import "errors"

// ErrOver is what a driver ends a connection by of which Over was said.
var ErrOver = errors.New("tlsid: nothing follows the handshake")

// ID is the random name of a TLS session, the same at every resumption. The zero
// ID is none.
type ID [16]byte

// IsZero reports whether there is no identity.
func (id ID) IsZero() bool { return id == ID{} }

// Note is what one handshake has learned. The zero value is ready; only the goroutine
// of the handshake uses it until that is over.
type Note struct {
	id     ID
	sealed bool
	over   bool
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

// End takes down that nothing follows the handshake: it has asked for no certificate,
// and agreed on other terms than clients get.
func (n *Note) End() { n.over = true }

// Over reports whether the connection ends with its handshake.
func (n *Note) Over() bool { return n.over }

// ID returns the identity of the connection's session, of which resumed says
// whether it is an older one. It is zero for a client that takes no tickets.
func (n *Note) ID(resumed bool) ID {
	if resumed || n.sealed {
		return n.id
	}
	return ID{}
}
