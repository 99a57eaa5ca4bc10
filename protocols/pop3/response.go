package pop3

import "casbah/internal/maildialogue"

// What ends a session, of the server.
var (
	errManyLines  = protocol.Server("list of more than 1000 lines")
	errNoResponse = protocol.Server("line that is no response")
)

// fromServer takes one line, or says what passes.
func (d *Dialogue) fromServer(p []byte, e *Effect) (int, error) {
	s := &d.state
	if d.inBody && (!s.Edits() || d.state.Queue.First() == multi) {
		return d.passBody(p, e), nil
	}
	line, mistake := s.Response(p)
	switch {
	case mistake != nil:
		return 0, d.fail(e, mistake)
	case line == nil:
		return 0, nil
	case d.inBody:
		return d.listed(line, e)
	}
	text := maildialogue.Text(line)
	positive := maildialogue.HasPrefix(text, "+OK")
	if !positive && !maildialogue.HasPrefix(text, "-ERR") && !d.continues(text) {
		return 0, d.fail(e, errNoResponse)
	}
	e.ToClient = append(e.ToClient, line...)
	d.status(text, positive, e)
	return len(line), nil
}

// passBody takes a piece of a multi-line response. The last is sent like a line,
// so that it leaves before anything that the client has waited with.
func (d *Dialogue) passBody(p []byte, e *Effect) int {
	n, done := d.state.Body.Scan(p)
	if !done {
		e.PassServer = int64(n)
		return 0
	}
	e.ToClient = append(e.ToClient, p[:n]...)
	d.responded(e)
	return n
}

// continues reports whether text asks for a line of an authentication.
func (d *Dialogue) continues(text []byte) bool {
	return len(text) > 0 && text[0] == '+' && !d.state.Queue.Empty() && (d.state.Queue.First() == auth || d.state.Queue.First() == authStart)
}

// status draws the conclusions of the first line of a response.
func (d *Dialogue) status(text []byte, positive bool, e *Effect) {
	s := &d.state
	if !s.Greeted || d.state.Queue.Empty() { // the greeting, or a server that ends the session by itself
		s.Greeted = true
		s.Left = s.Left || !positive
		s.Resume(e)
		return
	}
	kind := d.state.Queue.First()
	switch {
	case kind == authStart && text[0] == '+':
		// No mechanism succeeds before the client has said a word. To AUTH NTLM
		// the answer is "+ " ([MS-POP3], Section 2.2.1); some servers say +OK.
		s.Phase = maildialogue.Answers
	case kind == auth && !positive && text[0] == '+':
		s.Phase = maildialogue.Answers
	case kind >= auth:
		s.Phase = maildialogue.Command
	}
	s.Left = s.Left || kind == quit
	switch {
	case !positive:
	case kind == multi, kind == capa, kind == mechs:
		d.inBody, d.state.Body, d.lines = true, 0, 0
		return
	case kind == login, kind == auth:
		d.loggedIn = true
	case kind == stls:
		d.state.Queue.Pop()
		s.Lose(e)
		return
	}
	d.responded(e)
}

// responded takes the command away whose response is complete.
func (d *Dialogue) responded(e *Effect) {
	d.state.Queue.Pop()
	d.inBody = false
	d.state.Resume(e)
}

// listed takes a line of a list that is edited: CAPA (RFC 2449, Section 5) or the
// mechanisms of AUTH alone.
func (d *Dialogue) listed(line []byte, e *Effect) (int, error) {
	if d.lines == maildialogue.MostLines {
		return 0, d.fail(e, errManyLines)
	}
	d.lines++
	text := maildialogue.Text(line)
	kind := d.state.Queue.First()
	plain := d.state.Plain()
	name, args := maildialogue.Word(text)
	switch {
	case len(text) == 1 && text[0] == '.':
		if kind == capa && plain && !d.loggedIn {
			e.ToClient = append(e.ToClient, "STLS\r\n"...)
		}
		e.ToClient = append(e.ToClient, line...)
		d.responded(e)
	case kind == capa && maildialogue.Is(name, "STLS"):
		// The server's own, which is not for this leg.
	case kind == capa && plain && maildialogue.Is(name, "USER"):
	case kind == capa && plain && maildialogue.Is(name, "SASL"):
		before := len(e.ToClient)
		e.ToClient = append(e.ToClient, name...)
		var kept int
		if e.ToClient, kept, _ = maildialogue.AppendMechanisms(e.ToClient, args); kept == 0 {
			e.ToClient = e.ToClient[:before]
			break
		}
		e.ToClient = append(e.ToClient, "\r\n"...)
	case kind == mechs && plain && len(name) > 0 && maildialogue.RevealsSecret(name):
	default:
		e.ToClient = append(e.ToClient, line...)
	}
	return len(line), nil
}
