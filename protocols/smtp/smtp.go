// Package smtp is what a TCP relay knows of SMTP: where commands, replies and
// messages begin and end, what EHLO offers, and how TLS begins.
//
// It follows RFC 5321, RFC 2920 (PIPELINING), RFC 3030 (CHUNKING), RFC 3207
// (STARTTLS) and RFC 4954 (AUTH), and of Exchange's own XEXCH50 and
// X-ANONYMOUSTLS what is needed to find the next command. What Exchange servers
// say to each other, X-EXPS, XSHADOW and X-ANONYMOUSTLS, passes as it is.
//
// Not implemented: RFC 8689 (REQUIRETLS) passes as the server offers it. A LF
// without CR within a message passes: whether it ends a line is the server's to say.
package smtp

import "casbah/internal/maildialogue"

type (
	// Options say what a relay does for a session.
	Options = maildialogue.Options
	// Effect is what a relay is to do.
	Effect = maildialogue.Effect
)

const protocol maildialogue.Protocol = "smtp"

// kinds of commands, by what their reply means.
const (
	plain      uint8 = iota
	ehlo             // its reply is a list
	helo             // its reply is none
	data             // 354: a message follows
	auth             // 334: a line follows
	tls              // 220: TLS follows, which the relay does not end
	exchange50       // 354: octets follow
	turn             // 250: the roles are swapped
)

// Dialogue follows one session. It holds no octets of it but, for the time of an
// EHLO reply, one line.
type Dialogue struct {
	state maildialogue.Turns

	lines     uint16 // of the reply that has begun; 0: none has
	mustGreet bool   // TLS began, and EHLO has not been said since
	chunking  bool   // the server offers CHUNKING, so BDAT is followed by octets
	authed    bool   // the server has accepted credentials
	octets    int64  // behind XEXCH50
	last      []byte // the line of an EHLO reply that may be the last; nil outside
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
// behind STARTTLS were discarded. RFC 3207, Section 4.2: the session begins
// anew. The server's does with the next EHLO (RFC 5321, Section 4.1.4), so
// nothing that needs one is let through before.
func (d *Dialogue) Secured(dropped int) {
	d.state.Secured(dropped)
	d.mustGreet, d.chunking = true, false
}

// Injections returns how often octets stood behind STARTTLS.
func (d *Dialogue) Injections() uint32 { return d.state.Injections() }

// Goodbye appends the reply with which a server goes down (RFC 5321, Section
// 3.8) to dst, and ends the dialogue. It is sent between commands alone, also
// within a transaction or in place of the greeting: 421 in place of the reply
// to a command, above all to the end of a message, would have the client
// repeat what the server may have done.
func (d *Dialogue) Goodbye(dst []byte) (out []byte, ok bool) {
	return d.state.Goodbye(dst, "421 4.3.2 the server is going down, connect again\r\n", d.rests())
}

// Timeout is Goodbye to a client that has said nothing for too long (RFC 5321,
// Section 4.5.3.2.7).
func (d *Dialogue) Timeout(dst []byte) (out []byte, ok bool) {
	return d.state.Goodbye(dst, "421 4.4.2 idle for too long\r\n", d.rests())
}

// rests reports whether the client expects no reply and no reply has begun.
func (d *Dialogue) rests() bool {
	s := &d.state
	return !s.Deaf() && !s.Left && d.lines == 0 && d.state.Queue.Empty() && s.Phase != maildialogue.Message
}

// fail ends the session by a mistake of a peer.
func (d *Dialogue) fail(e *Effect, mistake *maildialogue.ProtocolError) error {
	return d.state.Fail(e, mistake, "421 4.5.0 ", d.rests())
}
