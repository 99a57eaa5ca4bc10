package pop3

import "casbah/internal/maildialogue"

// What ends a session, of the client.
var (
	errLongCommand = &maildialogue.ProtocolError{Protocol: protocol, Text: "command line longer than 8192 octets"}
	errLongToken   = &maildialogue.ProtocolError{Protocol: protocol, Text: "line of an authentication longer than 65536 octets"}
	errBareEnd     = &maildialogue.ProtocolError{Protocol: protocol, Text: "CR or LF alone in a command line"}
)

// What the relay answers itself. RFC 2595, Section 4 has STLS before login alone.
const (
	begin       = "+OK Begin TLS negotiation\r\n"
	noArguments = "-ERR STLS takes no arguments\r\n"
	tlsAlready  = "-ERR Command not permitted when TLS active\r\n"
	tlsTooLate  = "-ERR STLS is permitted before login only\r\n"
	needsTLS    = "-ERR Must issue a STLS command first\r\n"
	unreadable  = "-ERR Command is not recognised\r\n"
)

// fromClient takes one line.
func (d *Dialogue) fromClient(p []byte, e *Effect) (int, error) {
	s := &d.state
	if s.Phase == maildialogue.Awaits || d.queue.Full() || s.Edits() && !s.Greeted {
		s.Hold(e)
		return 0, nil
	}
	most, errLong := maildialogue.MostLine, errLongCommand
	if s.Phase == maildialogue.Answers || maildialogue.HasPrefix(p, "AUTH ") {
		most, errLong = maildialogue.MostToken, errLongToken
	}
	line, long := s.ClientLine(p, most)
	switch {
	case long:
		return 0, d.fail(e, errLong)
	case line == nil:
		return 0, nil
	}
	text, ok := maildialogue.Clean(line)
	switch {
	case !ok:
		return 0, d.fail(e, errBareEnd)
	case s.Phase == maildialogue.Answers:
		d.forward(line, auth, e)
		return len(line), nil
	}
	return d.command(line, text, e), nil
}

// command forwards or answers one command.
func (d *Dialogue) command(line, text []byte, e *Effect) int {
	verb, args := maildialogue.Word(text)
	switch {
	case len(verb) == 0 && !d.state.Edits():
		d.state.Lose(e) // some servers answer an empty line, and some do not
		return 0
	case d.state.Edits():
		if own, begins := d.own(text, verb, args); own != "" {
			return d.answer(len(line), own, begins, e)
		}
	}
	d.forward(line, kindOf(verb, args), e)
	return len(line)
}

// kindOf returns what the response to a command will be.
func kindOf(verb, args []byte) uint8 {
	first, more := maildialogue.Word(args)
	second, _ := maildialogue.Word(more)
	var upper [maildialogue.MostVerb]byte
	switch string(maildialogue.Upper(upper[:0], verb)) {
	case "RETR", "TOP":
		return multi
	case "LIST", "UIDL", "LANG": // RFC 6856, Section 3.1
		if len(first) == 0 {
			return multi
		}
	case "CAPA":
		return capa
	case "PASS", "APOP":
		return login
	case "AUTH":
		switch {
		case len(first) == 0:
			return mechs
		case len(second) == 0:
			return authStart
		}
		return auth
	case "STLS":
		return stls
	case "QUIT":
		return quit
	}
	return single
}

// forward passes a line on. Behind AUTH, STLS and QUIT the client has to wait
// for the response, which says what comes next.
func (d *Dialogue) forward(line []byte, kind uint8, e *Effect) {
	e.ToServer = append(e.ToServer, line...)
	d.queue.Push(kind)
	d.state.Phase = maildialogue.Command
	if kind >= auth {
		d.state.Phase = maildialogue.Awaits
	}
}

// own returns what the relay answers to a command itself, and whether TLS
// begins behind it; empty: the server answers.
func (d *Dialogue) own(text, verb, args []byte) (answer string, begins bool) {
	if !maildialogue.IsVerb(verb) || text[0] != verb[0] {
		return unreadable, false // a server that skips what stands before a verb would see one
	}
	first, _ := maildialogue.Word(args)
	s := &d.state
	switch {
	case maildialogue.Is(verb, "STLS"):
		switch {
		case s.Secure():
			return tlsAlready, false
		case d.loggedIn:
			return tlsTooLate, false
		case len(first) > 0:
			return noArguments, false
		}
		return begin, true
	case !s.Plain():
		return "", false
	case maildialogue.Is(verb, "USER"), maildialogue.Is(verb, "PASS"),
		maildialogue.Is(verb, "AUTH") && len(first) > 0 && maildialogue.RevealsSecret(first):
		return needsTLS, false
	}
	return "", false
}

// answer responds in place of the server, once its responses to what came
// before have passed.
func (d *Dialogue) answer(used int, own string, begins bool, e *Effect) int {
	// A command that is judged before the login ahead of it has been answered
	// comes here again.
	if !d.queue.Empty() || d.inBody {
		d.state.Hold(e)
		return 0
	}
	e.ToClient = append(e.ToClient, own...)
	if begins {
		d.state.Phase = maildialogue.Handshake
		e.StartTLS = true
	}
	return used
}
