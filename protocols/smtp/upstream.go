package smtp

import "casbah/internal/maildialogue"

// What keeps TLS towards a server from beginning.
var (
	errRefused    = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "greets with a refusal"}
	errNoEHLO     = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "refuses EHLO"}
	errNoTLS      = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "does not offer STARTTLS"}
	errTLSRefused = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "refuses STARTTLS"}
	errTooMuch    = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "octets behind the reply to STARTTLS"}
)

// Upstream begins TLS towards a server, before the session of a client: it reads
// the greeting, says EHLO and STARTTLS, and sets StartTLS. Once TLS is up,
// Greeting is the first thing that the Dialogue is offered of the server.
type Upstream struct {
	name     string
	lines    maildialogue.Lines
	greeting []byte
	count    int // lines of the reply that has begun
	step     upstreamStep
	offered  bool // STARTTLS is listed
}

type upstreamStep uint8

const (
	greets upstreamStep = iota
	lists
	agrees
	done
)

// NewUpstream returns an Upstream that says EHLO with a name: a domain or an
// address literal.
func NewUpstream(name string) *Upstream { return &Upstream{name: name} }

// Greeting returns what the server greeted with.
func (u *Upstream) Greeting() []byte { return u.greeting }

// FromServer takes octets of the server and returns how many are used. It has
// nothing for the client.
func (u *Upstream) FromServer(p []byte, e *Effect) (used int, err error) {
	for used < len(p) && u.step != done {
		line, long := u.lines.Next(p[used:], maildialogue.MostLine)
		switch {
		case long:
			return used, errLongReply
		case line == nil:
			return used, nil
		}
		used += len(line)
		if err = u.line(line, e); err != nil {
			return used, err
		}
	}
	if used < len(p) { // what a man in the middle put in would pass for the server's words under TLS
		return used, errTooMuch
	}
	return used, nil
}

func (u *Upstream) line(line []byte, e *Effect) error {
	code, last, ok := parseReply(line)
	u.count++
	switch {
	case !ok:
		return errNoReply
	case u.count > maildialogue.MostLines:
		return errManyLines
	case u.step == greets && len(u.greeting)+len(line) > maildialogue.MostLine:
		return errHugeGreeting
	case u.step == greets:
		u.greeting = append(u.greeting, line...)
	case u.step == lists && u.count > 1:
		u.offered = u.offered || maildialogue.Is(keyword(said(line)), "STARTTLS")
	}
	if !last {
		return nil
	}
	u.count = 0
	return u.replied(code, e)
}

func (u *Upstream) replied(code int, e *Effect) error {
	switch u.step {
	case greets:
		if code != 220 {
			return errRefused
		}
		e.ToServer = append(append(append(e.ToServer, "EHLO "...), u.name...), "\r\n"...)
	case lists:
		switch {
		case code != 250:
			return errNoEHLO
		case !u.offered:
			return errNoTLS
		}
		e.ToServer = append(e.ToServer, "STARTTLS\r\n"...)
	default:
		if code != 220 {
			return errTLSRefused
		}
		e.StartTLS = true
	}
	u.step++
	return nil
}
