package pop3

import "casbah/internal/maildialogue"

// What the relay answers itself. RFC 2595, Section 4 has STLS before login alone.
var replies = maildialogue.Replies{
	Begin:       "+OK Begin TLS negotiation\r\n",
	NoArguments: "-ERR STLS takes no arguments\r\n",
	Already:     "-ERR Command not permitted when TLS active\r\n",
	TooLate:     "-ERR STLS is permitted before login only\r\n",
}

const (
	needsTLS   = "-ERR Must issue a STLS command first\r\n"
	unreadable = "-ERR Command is not recognised\r\n"
)

// fromClient takes one line.
func (d *Dialogue) fromClient(p []byte, e *Effect) (int, error) {
	line, text, mistake := d.state.Command(p, auth, e)
	switch {
	case mistake != nil:
		return 0, d.fail(e, mistake)
	case text == nil:
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
		if own := d.own(text, verb, args); own != "" {
			return d.answer(len(line), own, e)
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
	d.state.Forward(line, kind, kind >= auth, e)
}

// own returns what the relay answers to a command itself; empty: the server
// answers.
func (d *Dialogue) own(text, verb, args []byte) string {
	if !maildialogue.IsVerb(verb) || text[0] != verb[0] {
		return unreadable // a server that skips what stands before a verb would see one
	}
	first, _ := maildialogue.Word(args)
	s := &d.state
	switch {
	case maildialogue.Is(verb, "STLS"):
		return replies.StartTLS(&s.State, d.loggedIn, len(first) > 0)
	case s.Requires() && !maildialogue.IsAny(verb, "CAPA", "NOOP", "QUIT"):
		return needsTLS
	case s.Plain() && (maildialogue.Is(verb, "USER") || maildialogue.Is(verb, "PASS") ||
		maildialogue.Is(verb, "AUTH") && len(first) > 0 && maildialogue.RevealsSecret(first)):
		return needsTLS
	}
	return ""
}

// answer responds in place of the server, once its responses to what came
// before have passed.
func (d *Dialogue) answer(used int, own string, e *Effect) int {
	// A command that is judged before the login ahead of it has been answered
	// comes here again.
	if !d.state.Queue.Empty() || d.inBody {
		d.state.Hold(e)
		return 0
	}
	e.ToClient = append(e.ToClient, own...)
	if own == replies.Begin {
		d.state.Handshake(e)
	}
	return used
}
