package imap4

import (
	"bytes"

	"casbah/internal/maildialogue"
)

// What keeps TLS towards a server from beginning.
var (
	errRefused    = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "greets with a refusal"}
	errPreauth    = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "greets with PREAUTH, behind which there is no STARTTLS"}
	errTLSRefused = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "refuses STARTTLS"}
	errManyLines  = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "more than 1000 lines before the response to STARTTLS"}
	errLongLine   = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "line longer than 8192 octets"}
	errTooMuch    = &maildialogue.ProtocolError{Protocol: protocol, Server: true, Text: "octets behind the response to STARTTLS"}
)

const upstreamTag = "casbah"

// Upstream begins TLS towards a server, before the session of a client: it reads
// the greeting, says STARTTLS, and sets StartTLS. Once TLS is up, Greeting is the
// first thing that the Dialogue is offered of the server.
type Upstream struct {
	lines    maildialogue.Lines
	greeting []byte
	count    int // lines behind the greeting
	done     bool
}

// NewUpstream returns an Upstream.
func NewUpstream() *Upstream { return &Upstream{} }

// Greeting returns what the server greeted with, without the capabilities: they
// held before TLS.
func (u *Upstream) Greeting() []byte { return u.greeting }

// FromServer takes octets of the server and returns how many are used. It has
// nothing for the client.
func (u *Upstream) FromServer(p []byte, e *Effect) (used int, err error) {
	for used < len(p) && !u.done {
		line, long := u.lines.Next(p[used:], maildialogue.MostLine)
		switch {
		case long && u.greeting == nil:
			return used, errLongGreeting
		case long:
			return used, errLongLine
		case line == nil:
			return used, nil
		}
		used += len(line)
		if u.greeting == nil {
			err = u.greets(line, e)
		} else {
			err = u.responds(line, e)
		}
		if err != nil {
			return used, err
		}
	}
	if used < len(p) { // what a man in the middle put in would pass for the server's words under TLS
		return used, errTooMuch
	}
	return used, nil
}

func (u *Upstream) greets(line []byte, e *Effect) error {
	mark, rest := maildialogue.Word(maildialogue.Text(line))
	word, _ := maildialogue.Word(rest)
	switch {
	case len(mark) != 1 || mark[0] != '*' || !isStatus(word):
		return errNoGreeting
	case maildialogue.Is(word, "PREAUTH"):
		return errPreauth
	case !maildialogue.Is(word, "OK"):
		return errRefused
	}
	if _, end, found := listOf(line); found {
		line = bytes.TrimLeft(bytes.TrimPrefix(line[end:], []byte("]")), " ")
		u.greeting = append(u.greeting, "* OK "...)
	}
	u.greeting = append(u.greeting, line...)
	e.ToServer = append(e.ToServer, upstreamTag+" STARTTLS\r\n"...)
	return nil
}

func (u *Upstream) responds(line []byte, e *Effect) error {
	if u.count++; u.count > maildialogue.MostLines {
		return errManyLines
	}
	tag, rest := maildialogue.Word(maildialogue.Text(line))
	word, _ := maildialogue.Word(rest)
	switch answers := string(tag) == upstreamTag; {
	case answers && maildialogue.Is(word, "OK"):
		u.done, e.StartTLS = true, true
	case answers, string(tag) == "*" && maildialogue.Is(word, "BYE"):
		return errTLSRefused
	}
	return nil
}
