package pop3

import "casbah/internal/maildialogue"

// What keeps TLS towards a server from beginning.
var (
	errRefused    = protocol.Server("greets with a refusal")
	errTLSRefused = protocol.Server("refuses STLS")
)

// Upstream begins TLS towards a server, before the session of a client: it reads
// the greeting, says STLS, and sets StartTLS. Once TLS is up, Greeting is the
// first thing that the Dialogue is offered of the server.
type Upstream struct{ maildialogue.Opening }

// NewUpstream returns an Upstream.
func NewUpstream() *Upstream { return &Upstream{maildialogue.NewOpening(protocol)} }

// FromServer takes octets of the server and returns how many are used. It has
// nothing for the client.
func (u *Upstream) FromServer(p []byte, e *Effect) (used int, err error) {
	return u.Follow(p, e, u.line)
}

// line takes the greeting, whose time stamp for APOP holds under TLS as well, or
// the answer to STLS.
func (u *Upstream) line(line []byte, e *Effect) error {
	positive := maildialogue.HasPrefix(line, "+OK")
	switch {
	case u.Kept == nil && !positive:
		return errRefused
	case u.Kept == nil:
		u.Kept = append(u.Kept, line...)
		e.ToServer = append(e.ToServer, "STLS\r\n"...)
	case !positive:
		return errTLSRefused
	default:
		e.StartTLS = true
	}
	return nil
}
