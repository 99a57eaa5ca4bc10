package pop3

import "casbah/internal/maildialogue"

// What keeps TLS towards a server from beginning.
var (
	errRefused    = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "greets with a refusal"}
	errTLSRefused = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "refuses STLS"}
	errTooMuch    = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "octets behind the response to STLS"}
)

// Upstream begins TLS towards a server, before the session of a client: it reads
// the greeting, says STLS, and sets StartTLS. Once TLS is up, Greeting is the
// first thing that the Dialogue is offered of the server.
type Upstream struct {
	lines    maildialogue.Lines
	greeting []byte
	done     bool
}

// NewUpstream returns an Upstream.
func NewUpstream() *Upstream { return &Upstream{} }

// Greeting returns what the server greeted with. The time stamp for APOP in it
// holds under TLS as well.
func (u *Upstream) Greeting() []byte { return u.greeting }

// FromServer takes octets of the server and returns how many are used. It has
// nothing for the client.
func (u *Upstream) FromServer(p []byte, e *Effect) (used int, err error) {
	for used < len(p) && !u.done {
		line, long := u.lines.Next(p[used:], mostGreeting)
		switch {
		case long:
			return used, errLongGreeting
		case line == nil:
			return used, nil
		}
		used += len(line)
		positive := maildialogue.HasPrefix(line, "+OK")
		switch {
		case u.greeting == nil && !positive:
			return used, errRefused
		case u.greeting == nil:
			u.greeting = append(u.greeting, line...)
			e.ToServer = append(e.ToServer, "STLS\r\n"...)
		case !positive:
			return used, errTLSRefused
		default:
			u.done, e.StartTLS = true, true
		}
	}
	if used < len(p) { // what a man in the middle put in would pass for the server's words under TLS
		return used, errTooMuch
	}
	return used, nil
}
