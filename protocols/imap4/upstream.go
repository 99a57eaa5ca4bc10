package imap4

import (
	"bytes"

	"casbah/internal/maildialogue"
)

// What keeps TLS towards a server from beginning.
var (
	errRefused    = protocol.Server("greets with a refusal")
	errPreauth    = protocol.Server("greets with PREAUTH, behind which there is no STARTTLS")
	errTLSRefused = protocol.Server("refuses STARTTLS")
)

const upstreamTag = "casbah"

// Upstream begins TLS towards a server, before the session of a client: it reads
// the greeting, says STARTTLS, and sets StartTLS. Once TLS is up, Greeting is the
// first thing that the Dialogue is offered of the server.
type Upstream struct{ maildialogue.Opening }

// NewUpstream returns an Upstream.
func NewUpstream() *Upstream { return &Upstream{maildialogue.NewOpening(protocol)} }

// FromServer takes octets of the server and returns how many are used. It has
// nothing for the client.
func (u *Upstream) FromServer(p []byte, e *Effect) (used int, err error) {
	return u.Follow(p, e, u.line)
}

// line takes the greeting, of which the client gets all but the capabilities,
// which held before TLS; or what answers STARTTLS.
func (u *Upstream) line(line []byte, e *Effect) error {
	tag, rest := maildialogue.Word(maildialogue.Text(line))
	word, _ := maildialogue.Word(rest)
	if u.Kept != nil {
		return u.answer(string(tag), word, e)
	}
	switch {
	case string(tag) != "*" || !isStatus(word):
		return errNoGreeting
	case maildialogue.Is(word, "PREAUTH"):
		return errPreauth
	case !maildialogue.Is(word, "OK"):
		return errRefused
	}
	if _, end, found := listOf(line); found {
		line = bytes.TrimLeft(bytes.TrimPrefix(line[end:], []byte("]")), " ")
		u.Kept = append(u.Kept, "* OK "...)
	}
	u.Kept = append(u.Kept, line...)
	e.ToServer = append(e.ToServer, upstreamTag+" STARTTLS\r\n"...)
	return nil
}

func (u *Upstream) answer(tag string, word []byte, e *Effect) error {
	switch answers := tag == upstreamTag; {
	case answers && maildialogue.Is(word, "OK"):
		e.StartTLS = true
	case answers, tag == "*" && maildialogue.Is(word, "BYE"):
		return errTLSRefused
	}
	return nil
}
