package maildialogue

// mostGreeting is the longest line of a greeting of POP3 (RFC 1939, Section 3)
// and SMTP (RFC 5321, Section 4.5.3.1.5), in octets.
const mostGreeting = 512

// Turns is the part of a dialogue that POP3 and SMTP share: every command has
// one response, in the order of the commands.
type Turns struct {
	State
	Queue Queue
	Body  Body

	protocol Protocol
}

// NewTurns returns the turns of a session that begins.
func NewTurns(p Protocol, o Options) Turns { return Turns{State: NewState(o), protocol: p} }

// Command returns the first line of what the client says, and the same without
// its end. Without a text there is no command: it waits, or there is more to come,
// or the line answers the server, and has been passed on as one of that kind.
func (t *Turns) Command(p []byte, answer uint8, e *Effect) (line, text []byte, cause *ProtocolError) {
	if t.Phase == Awaits || t.Queue.Full() || t.Edits() && !t.Greeted {
		t.Hold(e)
		return nil, nil, nil
	}
	most, mistake := MostLine, "command line longer than 8192 octets"
	if t.Phase == Answers || HasPrefix(p, "AUTH ") || HasPrefix(p, "X-EXPS ") { // the latter is AUTH between Exchange servers
		most, mistake = MostToken, "line of an authentication longer than 65536 octets"
	}
	line, long := t.ClientLine(p, most)
	switch {
	case long:
		return nil, nil, t.protocol.Client(mistake)
	case line == nil:
		return nil, nil, nil
	}
	text, ok := Clean(line)
	if !ok {
		return nil, nil, t.protocol.Client(BareEnd)
	}
	if t.Phase == Answers {
		t.Forward(line, answer, true, e)
		text = nil
	}
	return line, text, nil
}

// Forward passes on what the client said. Waits: the response says what may
// come next, and the client has to wait for it.
func (t *Turns) Forward(line []byte, kind uint8, waits bool, e *Effect) {
	e.ToServer = append(e.ToServer, line...)
	t.Queue.Push(kind)
	t.Phase = Command
	if waits {
		t.Phase = Awaits
	}
}

// Response returns the first line of what the server says; nil: there is more
// to come.
func (t *Turns) Response(p []byte) (line []byte, cause *ProtocolError) {
	most, mistake := MostLine, "response line longer than 8192 octets"
	if !t.Greeted {
		most, mistake = mostGreeting, "greeting line longer than 512 octets"
	}
	line, long := t.ServerLine(p, most)
	if long {
		return nil, t.protocol.Server(mistake)
	}
	return line, nil
}
