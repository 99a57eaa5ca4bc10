// Package pop3 is what a TCP relay knows of POP3: where commands and responses
// begin and end, what CAPA lists, and how TLS begins.
//
// It follows RFC 1939, RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH) with the
// list that AUTH alone asks for, as Outlook does, RFC 6856 (LANG) and [MS-POP3]
// (AUTH NTLM).
//
// Not implemented: RFC 1939's APOP passes; it reveals no password.
package pop3

import "casbah/internal/maildialogue"

type (
	// Options say what a relay does for a session.
	Options = maildialogue.Options
	// Effect is what a relay is to do.
	Effect = maildialogue.Effect
)

const protocol maildialogue.Protocol = "pop3"

// kinds of commands, by what their response looks like and means.
const (
	single    uint8 = iota
	multi           // +OK: lines follow
	capa            // +OK: a list of capabilities follows
	mechs           // +OK: a list of SASL mechanisms follows
	login           // +OK: the client is known
	auth            // +: a line of the client follows; +OK: the client is known
	authStart       // auth whose mechanism has not begun
	stls            // +OK: TLS follows, which the relay does not end
	quit            // +OK: the end
)

// Dialogue follows one session. It holds no octets of it.
type Dialogue struct {
	state maildialogue.Turns

	inBody   bool   // a multi-line response has begun
	loggedIn bool   // the client is known
	lines    uint16 // of a list
}

// New returns the dialogue of a session that begins.
func New(o Options) *Dialogue { return &Dialogue{state: maildialogue.NewTurns(protocol, o)} }

// FromClient takes octets of the client and returns how many are used.
func (d *Dialogue) FromClient(p []byte, e *Effect) (used int, err error) {
	return d.state.Run(p, e, &e.PassClient, d.fromClient)
}

// FromServer takes octets of the server and returns how many are used.
func (d *Dialogue) FromServer(p []byte, e *Effect) (used int, err error) {
	return d.state.Run(p, e, &e.PassServer, d.fromServer)
}

// Secured tells that TLS is up on the client leg; dropped is how many octets
// behind STLS were discarded. RFC 2595, Section 4: the session begins anew; the
// server knows nothing of it yet, since it saw no user and no login.
func (d *Dialogue) Secured(dropped int) { d.state.Secured(dropped) }

// Injections returns how often octets stood behind STLS.
func (d *Dialogue) Injections() uint32 { return d.state.Injections() }

// Goodbye appends a response that tells of a temporary failure (RFC 3206,
// Section 4) to dst, and ends the dialogue. POP3 has no words of its own accord,
// so it takes the place of the greeting or of the response that is due, and
// between commands it answers the next one, which the server will not see. It
// is refused within a response, and while QUIT is under way: the server may
// have deleted what it was told to, and the client must not hear that it failed.
func (d *Dialogue) Goodbye(dst []byte) (out []byte, ok bool) {
	return d.state.Goodbye(dst, "-ERR [SYS/TEMP] the server is going down, connect again\r\n", d.between())
}

// Timeout is Goodbye to a client that has said nothing for too long: it is closed
// without a response (RFC 1939, Section 3).
func (d *Dialogue) Timeout(dst []byte) (out []byte, ok bool) {
	return d.state.Goodbye(dst, "", d.between())
}

// between reports whether the client is between responses.
func (d *Dialogue) between() bool {
	return !d.state.Deaf() && !d.state.Left && !d.inBody && !d.state.Queue.Has(quit)
}

// fail ends the session by a mistake of a peer.
func (d *Dialogue) fail(e *Effect, mistake *maildialogue.ProtocolError) error {
	return d.state.Fail(e, mistake, "-ERR ", d.between())
}
