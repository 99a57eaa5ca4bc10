package imap4

import (
	"bytes"

	"casbah/internal/maildialogue"
)

// What ends a session, of the client.
var (
	errLongCommand = protocol.Client("command line longer than 65536 octets")
	errBareEnd     = protocol.Client(maildialogue.BareEnd)
	errLiteral     = protocol.Client("literal longer than 4096 octets before login")
	errUnsound     = protocol.Client("literal where none can stand")
)

// What the relay answers itself, behind the tag (RFC 9051, Section 6.2).
var replies = maildialogue.Replies{
	Begin:       " OK Begin TLS negotiation now\r\n",
	NoArguments: " BAD STARTTLS takes no arguments\r\n",
	Already:     " BAD TLS is already active\r\n",
	TooLate:     " BAD STARTTLS is permitted before login only\r\n",
}

const (
	needsTLS   = " NO [PRIVACYREQUIRED] Must issue a STARTTLS command first\r\n" // RFC 9051, Section 7.1
	unreadable = " BAD Command is not recognised\r\n"
	noLiteral  = " BAD Literals that do not wait are not offered\r\n" // RFC 7888, Section 4
)

// fromClient takes one line, or discards of a literal.
func (d *Dialogue) fromClient(p []byte, e *Effect) (int, error) {
	s := &d.state
	switch {
	case d.skip > 0:
		n := int(min(d.skip, int64(len(p))))
		d.skip -= int64(n)
		return n, nil
	case s.Phase == maildialogue.Awaits, s.Edits() && !s.Greeted:
		s.Hold(e)
		return 0, nil
	}
	line, long := s.ClientLine(p, mostCommand)
	switch {
	case long:
		return 0, d.fail(e, errLongCommand)
	case line == nil:
		return 0, nil
	}
	text, ok := maildialogue.Clean(line)
	if !ok {
		return 0, d.fail(e, errBareEnd)
	}
	switch s.Phase {
	case maildialogue.Answers:
		e.ToServer = append(e.ToServer, line...)
		s.Phase = maildialogue.Awaits
		return len(line), nil
	case maildialogue.Refused:
		return len(line), d.refused(text, e)
	case maildialogue.More:
		return d.part(line, text, false, e)
	default:
		return d.command(line, text, e)
	}
}

// command forwards or answers the first line of a command.
func (d *Dialogue) command(line, text []byte, e *Effect) (int, error) {
	c, ok := parseCommand(text)
	switch {
	case d.state.Edits():
		own := unreadable
		if ok {
			own = d.own(c, text)
		}
		if own != "" {
			return d.answer(line, c.tag, own, e)
		}
	case !ok:
		d.state.Lose(e) // some servers answer it with a tag, and some without
		return 0, nil
	}
	d.kind = kindOf(c.verb)
	return d.part(line, text, true, e)
}

// command is the first line of a command (RFC 9051, Section 2.2.1).
type command struct{ tag, verb, args []byte }

// nameless stands where a command cannot be told (RFC 9051, Section 7.1.3).
var nameless = command{tag: []byte("*")}

// parseCommand reads the first line of a command. The tag is returned wherever
// there is one.
func parseCommand(text []byte) (c command, ok bool) {
	tag, rest, found := bytes.Cut(text, []byte(" "))
	if len(tag) == 0 || len(tag) > mostTag {
		return nameless, false
	}
	for _, c := range tag {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`(){%*"\+`), c) >= 0 {
			return nameless, false
		}
	}
	verb, args, _ := bytes.Cut(rest, []byte(" "))
	return command{tag, verb, args}, found && maildialogue.IsVerb(verb)
}

// kindOf returns what an answer to a command changes.
func kindOf(verb []byte) uint8 {
	var upper [maildialogue.MostVerb]byte
	switch string(maildialogue.Upper(upper[:0], verb)) {
	case "LOGIN":
		return login
	case "AUTHENTICATE":
		return auth
	case "IDLE":
		return idle
	case "UNAUTHENTICATE":
		return forget
	case "COMPRESS", "STARTTLS":
		return stranger
	}
	return plain
}

// part forwards a line of a command: its first, or one behind a literal. What
// the client has to wait for begins once all before it has been answered, so
// that the next tagged response answers it.
func (d *Dialogue) part(line, text []byte, first bool, e *Effect) (int, error) {
	m, literal := markOf(text)
	waits := literal && !m.soon
	switch {
	case literal && d.state.Edits() && !d.loggedIn && m.octets > mostLiteral:
		return 0, d.fail(e, errLiteral)
	case literal && m.soon && (!m.sound || d.doubts(m)):
		return 0, d.fail(e, errUnsound)
	case first && (waits || d.kind != plain) && d.open > 0:
		d.state.Hold(e)
		return 0, nil
	case waits && !first && d.open != 1:
		// It was answered before it was whole, or others are under way.
		if d.open > 1 {
			d.state.Hold(e)
			return 0, nil
		}
		return 0, d.fail(e, errUnsound)
	}
	if first {
		d.open++
	}
	e.ToServer = append(e.ToServer, line...)
	switch {
	case waits:
		d.state.Phase, d.literal = maildialogue.Awaits, m.octets
	case literal:
		d.state.Phase, e.PassClient = maildialogue.More, m.octets
	case d.kind != plain && d.open > 0:
		d.state.Phase = maildialogue.Awaits
	default:
		d.state.Phase = maildialogue.Command
	}
	return len(line), nil
}

// own returns what the relay answers to a command itself, behind the tag; empty:
// the server answers.
func (d *Dialogue) own(c command, text []byte) string {
	s := &d.state
	mechanism, _ := maildialogue.Word(c.args)
	if maildialogue.Is(c.verb, "STARTTLS") {
		return replies.StartTLS(s, d.loggedIn, len(c.args) > 0 || text[len(text)-1] == ' ')
	}
	if !s.Plain() {
		return ""
	}
	if s.Requires() && !maildialogue.IsAny(c.verb, "CAPABILITY", "NOOP", "ID", "LOGOUT") {
		return needsTLS
	}
	if maildialogue.Is(c.verb, "LOGIN") || maildialogue.Is(c.verb, "AUTHENTICATE") && maildialogue.RevealsSecret(mechanism) {
		return needsTLS
	}
	if m, ok := markOf(text); ok && m.soon && (!m.sound || d.doubts(m)) {
		return noLiteral
	}
	return ""
}

// doubts reports whether the server may not know {n+}, or ~{n+}, of which no command
// before login has need: then it reads what follows as commands, and a password
// would be one of them.
func (d *Dialogue) doubts(m mark) bool {
	return d.state.Plain() && !d.loggedIn && (m.binary || !d.literalPlus)
}

// answer responds in place of the server, between its responses. The rest of a
// command that does not wait for its literals is discarded.
func (d *Dialogue) answer(line, tag []byte, own string, e *Effect) (int, error) {
	if !d.rests() {
		d.state.Hold(e)
		return 0, nil
	}
	m, literal := markOf(maildialogue.Text(line))
	if literal && m.octets > mostLiteral && !d.loggedIn {
		return 0, d.fail(e, errLiteral)
	}
	e.ToClient = append(append(e.ToClient, tag...), own...)
	switch {
	case own == replies.Begin:
		d.state.Handshake(e)
	case literal && m.soon:
		d.state.Phase, d.skip = maildialogue.Refused, m.octets
	}
	return len(line), nil
}

// refused discards a line of a refused command.
func (d *Dialogue) refused(text []byte, e *Effect) error {
	m, literal := markOf(text)
	switch {
	case !literal || !m.soon:
		d.state.Phase = maildialogue.Command
	case m.octets > mostLiteral && !d.loggedIn:
		return d.fail(e, errLiteral)
	default:
		d.skip = m.octets
	}
	return nil
}
