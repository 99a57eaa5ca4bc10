// Package imap4 is what a TCP relay knows of IMAP4: where commands and responses
// begin and end, what is listed as capabilities, and how TLS begins.
//
// It follows RFC 9051 and RFC 3501, RFC 7888 (LITERAL+), RFC 3516 (literal8),
// RFC 2177 (IDLE), RFC 4978 (COMPRESS) and RFC 8437 (UNAUTHENTICATE).
//
// Not implemented: nothing behind COMPRESS is read; it passes.
package imap4

import "casbah/internal/maildialogue"

type (
	// Options say what a relay does for a session.
	Options = maildialogue.Options
	// Effect is what a relay is to do.
	Effect = maildialogue.Effect
)

const protocol maildialogue.Protocol = "imap4"

// Lengths, in octets.
const (
	// mostCommand is the longest line of a command. RFC 7162, Section 4 has
	// clients write up to 8192 octets, but sets of UIDs from large mailboxes
	// exceed that, and servers commonly take 64 KiB.
	mostCommand = 64 << 10
	// mostStatus is the longest line of a response that is read as a whole: a
	// status, or a list of capabilities. Data may be longer.
	mostStatus = 64 << 10
	mostTag    = 256
	// mostLiteral is the longest literal before login: RFC 7888, Section 5 has
	// LITERAL- allow as much, and no user name, password or ID is longer.
	mostLiteral = 4096
)

// kinds of commands, by what an answer to them changes. The client has to wait
// for it (RFC 9051, Section 5.5).
const (
	plain    uint8 = iota
	login          // OK: the client is known
	auth           // +: a line of the client follows; OK: as login
	idle           // +: a line of the client follows
	forget         // OK: the client is known no more
	stranger       // OK: what follows, both ways, is not IMAP: TLS that the relay does not end, or compressed
)

// Dialogue follows one session. It holds no octets of it.
type Dialogue struct {
	state maildialogue.State

	open    uint32 // commands without their tagged response
	kind    uint8  // of the command that is being sent or is awaited
	literal int64  // octets that pass once the server says +; -1: none
	skip    int64  // octets of a refused literal that are still to come

	within      bool // the stream to the client stands within a response
	long        bool // within a line of it
	loggedIn    bool // the client is known
	literalPlus bool // before TLS: the server lists LITERAL+ or LITERAL-
}

// New returns the dialogue of a session that begins.
func New(o Options) *Dialogue { return &Dialogue{state: maildialogue.NewState(o), literal: -1} }

// FromClient takes octets of the client and returns how many are used.
func (d *Dialogue) FromClient(p []byte, e *Effect) (used int, err error) {
	return d.state.Run(p, e, &e.PassClient, d.fromClient)
}

// FromServer takes octets of the server and returns how many are used.
func (d *Dialogue) FromServer(p []byte, e *Effect) (used int, err error) {
	return d.state.Run(p, e, &e.PassServer, d.fromServer)
}

// Secured tells that TLS is up on the client leg; dropped is how many octets
// behind STARTTLS were discarded. Nothing that was listed before counts any
// more (RFC 9051, Section 6.2.1). The server knows nothing of the client yet, for
// STARTTLS is refused behind a login.
func (d *Dialogue) Secured(dropped int) { d.state.Secured(dropped) }

// Injections returns how often octets stood behind STARTTLS.
func (d *Dialogue) Injections() uint32 { return d.state.Injections() }

// Goodbye appends the response with which a server ends a session (RFC 9051,
// Section 7.1.5) to dst, and ends the dialogue. It may stand in place of the
// greeting, between commands and in IDLE. While another command is under way it
// is refused: the client would repeat what the server may have done.
func (d *Dialogue) Goodbye(dst []byte) (out []byte, ok bool) {
	idles := d.open == 1 && d.kind == idle && d.state.Phase != maildialogue.Command // else IDLE waits for what is open
	return d.state.Goodbye(dst, "* BYE the server is going down, connect again\r\n", d.between() && (d.open == 0 || idles))
}

// Timeout is Goodbye to a client that has said nothing for too long (RFC 9051,
// Section 5.4).
func (d *Dialogue) Timeout(dst []byte) (out []byte, ok bool) {
	return d.state.Goodbye(dst, "* BYE idle for too long\r\n", d.between())
}

// between reports whether the client is between responses.
func (d *Dialogue) between() bool { return !d.state.Deaf() && !d.state.Left && !d.within }

// rests reports whether every command has been answered, too.
func (d *Dialogue) rests() bool { return d.between() && d.state.Greeted && d.open == 0 }

// fail ends the session by a mistake of a peer.
func (d *Dialogue) fail(e *Effect, mistake *maildialogue.ProtocolError) error {
	return d.state.Fail(e, mistake, "* BYE ", d.between())
}
