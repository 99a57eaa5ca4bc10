package smtp

import "casbah/internal/maildialogue"

// What ends a session, of the client.
var (
	errChunk     = protocol.Client("BDAT or XEXCH50 without a number of octets")
	errChunkForm = protocol.Client("BDAT in another form than BDAT NUMBER or BDAT NUMBER LAST before TLS")
)

// What the relay answers itself.
var replies = maildialogue.Replies{
	Begin:       "220 2.0.0 Ready to start TLS\r\n",                 // RFC 3207, Section 4
	NoArguments: "501 5.5.4 STARTTLS takes no parameters\r\n",       // RFC 3207, Section 4
	Already:     "503 5.5.1 TLS is already active\r\n",              // RFC 5321, Section 4.2.4: bad sequence
	TooLate:     "503 5.5.1 STARTTLS is not allowed after AUTH\r\n", // the server keeps who it took the client for
}

const (
	needsTLS   = "530 5.7.0 Must issue a STARTTLS command first\r\n"     // RFC 3207, Section 4
	needsEHLO  = "503 5.5.1 Send EHLO first\r\n"                         // RFC 5321, Section 4.1.4
	unreadable = "500 5.5.2 Syntax error, command is not recognised\r\n" // RFC 5321, Section 4.2.4
)

// fromClient takes one line, or says what passes.
func (d *Dialogue) fromClient(p []byte, e *Effect) (int, error) {
	if d.state.Phase == maildialogue.Message {
		return d.message(p, e), nil
	}
	line, text, mistake := d.state.Command(p, auth, e)
	switch {
	case mistake != nil:
		return 0, d.fail(e, mistake)
	case text == nil:
		return len(line), nil
	}
	return d.command(line, text, e)
}

// message takes a piece of a message. The last is sent like a line, so that it
// leaves before its reply is waited for.
func (d *Dialogue) message(p []byte, e *Effect) int {
	n, done := d.state.Body.Scan(p)
	if !done {
		e.PassClient = int64(n)
		return 0
	}
	d.forward(p[:n], plain, e)
	return n
}

// command forwards or answers one command.
func (d *Dialogue) command(line, text []byte, e *Effect) (int, error) {
	verb, args := maildialogue.Word(text)
	switch {
	case len(verb) == 0 && !d.state.Edits():
		d.state.Lose(e) // some servers answer an empty line, and some do not
		return 0, nil
	case d.state.Edits():
		if own := d.own(text, verb, args); own != "" {
			return d.answer(len(line), own, e), nil
		}
	}
	kind := plain
	var upper [maildialogue.MostVerb]byte
	switch string(maildialogue.Upper(upper[:0], verb)) {
	case "EHLO":
		kind = ehlo
	case "HELO":
		kind = helo
	case "DATA":
		kind = data
	case "BDAT":
		if d.chunking {
			return d.chunk(line, args, e)
		} // a server that does not know it reads commands behind it
	case "AUTH", "X-EXPS":
		kind = auth
	case "STARTTLS", "X-ANONYMOUSTLS":
		kind = tls
	case "XEXCH50":
		size, _ := maildialogue.Word(args)
		octets, ok := maildialogue.Number(size)
		if !ok {
			return 0, d.fail(e, errChunk)
		}
		kind, d.octets = exchange50, octets
	case "TURN", "ATRN": // RFC 2645
		kind = turn
	}
	d.forward(line, kind, e)
	return len(line), nil
}

// forward passes a line on. After all but plain commands the client has to
// wait for the reply: it says what comes next (RFC 2920, Section 3.1).
func (d *Dialogue) forward(line []byte, kind uint8, e *Effect) {
	d.state.Forward(line, kind, kind != plain, e)
}

// chunk forwards BDAT, behind which a number of octets passes (RFC 3030,
// Section 2). They follow at once, whatever the reply will be. Before TLS the line
// has to be one that no server takes for another: it would read them as commands.
func (d *Dialogue) chunk(line, args []byte, e *Effect) (int, error) {
	size, rest := maildialogue.Word(args)
	octets, ok := maildialogue.Number(size)
	alone := len(rest) == 0 || maildialogue.Is(rest, " LAST")
	switch {
	case !ok:
		return 0, d.fail(e, errChunk)
	case d.state.Plain() && (!alone || args[0] != ' ' || len(args) != 1+len(size)+len(rest)):
		return 0, d.fail(e, errChunkForm)
	}
	d.forward(line, plain, e)
	e.PassClient = octets
	return len(line), nil
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
	case maildialogue.Is(verb, "STARTTLS"):
		return replies.StartTLS(&s.State, d.authed, len(first) > 0)
	case d.mustGreet && !freely(verb):
		return needsEHLO
	case s.Requires() && !maildialogue.IsAny(verb, "EHLO", "NOOP", "QUIT"): // RFC 3207, Section 4
		return needsTLS
	case s.Plain() && maildialogue.Is(verb, "AUTH") && maildialogue.RevealsSecret(first):
		return needsTLS
	}
	return ""
}

// freely reports whether a command needs no EHLO before it, by RFC 5321,
// Section 4.1.4.
func freely(verb []byte) bool {
	return maildialogue.IsAny(verb, "EHLO", "HELO", "NOOP", "RSET", "QUIT", "HELP", "VRFY", "EXPN")
}

// answer replies in place of the server, once its replies to what came before
// have passed.
func (d *Dialogue) answer(used int, own string, e *Effect) int {
	if !d.rests() {
		d.state.Hold(e)
		return 0
	}
	e.ToClient = append(e.ToClient, own...)
	if own == replies.Begin {
		d.state.Handshake(e)
	}
	return used
}
