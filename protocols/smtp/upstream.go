package smtp

import "casbah/internal/maildialogue"

// What keeps TLS towards a server from beginning.
var (
	errRefused      = protocol.Server("greets with a refusal")
	errNoEHLO       = protocol.Server("refuses EHLO")
	errNoTLS        = protocol.Server("does not offer STARTTLS")
	errTLSRefused   = protocol.Server("refuses STARTTLS")
	errHugeGreeting = protocol.Server("greeting longer than 8192 octets")
)

// Upstream begins TLS towards a server, before the session of a client: it reads
// the greeting, says EHLO and STARTTLS, and sets StartTLS. Once TLS is up,
// Greeting is the first thing that the Dialogue is offered of the server.
type Upstream struct {
	maildialogue.Opening

	name    string
	step    upstreamStep
	begun   bool // a reply has begun
	offered bool // STARTTLS is listed
}

type upstreamStep uint8

const (
	greets upstreamStep = iota
	lists
	agrees
)

// NewUpstream returns an Upstream that says EHLO with a name: a domain or an
// address literal.
func NewUpstream(name string) *Upstream {
	return &Upstream{Opening: maildialogue.NewOpening(protocol), name: name}
}

// FromServer takes octets of the server and returns how many are used. It has
// nothing for the client.
func (u *Upstream) FromServer(p []byte, e *Effect) (used int, err error) {
	return u.Follow(p, e, u.line)
}

func (u *Upstream) line(line []byte, e *Effect) error {
	code, last, ok := parseReply(line)
	switch {
	case !ok:
		return errNoReply
	case u.step == greets && len(u.Kept)+len(line) > maildialogue.MostLine:
		return errHugeGreeting
	case u.step == greets:
		u.Kept = append(u.Kept, line...)
	case u.step == lists && u.begun:
		u.offered = u.offered || maildialogue.Is(keyword(said(line)), "STARTTLS")
	}
	if u.begun = !last; u.begun {
		return nil
	}
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
	case agrees:
		if code != 220 {
			return errTLSRefused
		}
		e.StartTLS = true
	}
	u.step++
	return nil
}
