package imap4

import (
	"bytes"

	"casbah/internal/maildialogue"
)

// What ends a session, of the server.
var (
	errLongStatus   = protocol.Server("status or capabilities longer than 65536 octets")
	errLongGreeting = protocol.Server("greeting longer than 8192 octets")
	errManyWords    = protocol.Server("more than 10000 capabilities")
	errNoGreeting   = protocol.Server("greeting that is none")
)

// fromServer takes one line, or a piece of a long one.
func (d *Dialogue) fromServer(p []byte, e *Effect) (int, error) {
	s := &d.state
	if d.long {
		return d.stretch(p, e), nil
	}
	line, long := s.ServerLine(p, maildialogue.MostLine)
	switch {
	case line == nil && !long:
		return 0, nil
	case !long:
		return d.line(line, e)
	case d.within || d.isData(p):
		d.long, d.within = true, true
		s.ServerLinePasses()
		return d.stretch(p, e), nil
	case !s.Greeted:
		return 0, d.fail(e, errLongGreeting)
	case line != nil && len(line) <= mostStatus:
		return d.line(line, e)
	case line != nil || len(p) >= mostStatus:
		return 0, d.fail(e, errLongStatus)
	}
	return 0, nil
}

// isData reports whether a response, of which there is more than its beginning,
// carries data: it may be of any length and hold literals, and passes unread.
func (d *Dialogue) isData(p []byte) bool {
	if !d.state.Greeted || len(p) < 2 || p[0] != '*' || p[1] != ' ' {
		return false
	}
	word, _ := maildialogue.Word(maildialogue.Text(p[2:min(len(p), maildialogue.MostLine)]))
	return !isStatus(word) && (!d.state.Edits() || !maildialogue.Is(word, "CAPABILITY"))
}

// isStatus reports whether word begins a status response (RFC 9051, Section 7.1):
// what follows is text, even where it looks like a literal.
func isStatus(word []byte) bool {
	for _, name := range [...]string{"OK", "NO", "BAD", "PREAUTH", "BYE"} {
		if maildialogue.Is(word, name) {
			return true
		}
	}
	return false
}

// stretch takes a piece of a long line. The mark of a literal may stand at its
// end, so as much as one takes is left until the end is there.
func (d *Dialogue) stretch(p []byte, e *Effect) int {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		n := max(len(p)-mostMark, 0)
		e.ToClient = append(e.ToClient, p[:n]...)
		return n
	}
	d.long = false
	d.data(p[:i+1], e)
	return i + 1
}

// data takes the end of a line of data; a literal may follow it.
func (d *Dialogue) data(line []byte, e *Effect) {
	e.ToClient = append(e.ToClient, line...)
	text := maildialogue.Text(line)
	m, literal := markOf(text[max(len(text)-mostMark, 0):])
	d.within = literal
	switch {
	case literal && m.octets > 0:
		e.PassServer = m.octets
	case !literal:
		d.rest(e)
	}
}

// rest lets the client go on that waited for a pause, or for what else was
// under way.
func (d *Dialogue) rest(e *Effect) {
	if d.rests() || d.state.Phase == maildialogue.More && d.open <= 1 {
		d.state.Resume(e)
	}
}

// line takes a whole line.
func (d *Dialogue) line(line []byte, e *Effect) (int, error) {
	s := &d.state
	if d.within || d.isData(line) {
		d.data(line, e)
		return len(line), nil
	}
	text := maildialogue.Text(line)
	if s.Greeted && len(text) > 0 && text[0] == '+' { // RFC 9051, Section 7.6
		e.ToClient = append(e.ToClient, line...)
		d.goAhead(e)
		return len(line), nil
	}
	tag, rest, _ := bytes.Cut(text, []byte(" "))
	word, _ := maildialogue.Word(rest)
	untagged := len(tag) == 1 && tag[0] == '*'
	if !s.Greeted {
		if !untagged || !isStatus(word) {
			return 0, d.fail(e, errNoGreeting)
		}
		s.Greeted = true
		d.loggedIn = maildialogue.Is(word, "PREAUTH")
	}
	lost := false
	switch {
	case untagged:
		s.Left = s.Left || maildialogue.Is(word, "BYE")
	case isStatus(word):
		lost = d.tagged(maildialogue.Is(word, "OK"))
	}
	before := len(e.ToClient)
	if !d.rewrite(line, e) {
		e.ToClient = e.ToClient[:before]
		return 0, d.fail(e, errManyWords)
	}
	if lost {
		s.Lose(e)
	}
	d.rest(e)
	return len(line), nil
}

// goAhead has the client send what it announced.
func (d *Dialogue) goAhead(e *Effect) {
	s := &d.state
	switch {
	case s.Phase != maildialogue.Awaits:
		return
	case d.literal >= 0:
		s.Phase, e.PassClient, d.literal = maildialogue.More, d.literal, -1
	case d.kind == auth || d.kind == idle:
		s.Phase = maildialogue.Answers
	}
	s.Resume(e)
}

// tagged draws the conclusions of a tagged response. Lost tells that what
// follows cannot be read.
func (d *Dialogue) tagged(ok bool) (lost bool) {
	s := &d.state
	if d.open > 0 {
		d.open--
	}
	if s.Phase != maildialogue.Awaits && s.Phase != maildialogue.Answers || d.open > 0 {
		return false
	}
	s.Phase = maildialogue.Command
	kind := d.kind
	d.kind = plain
	switch {
	case d.literal >= 0: // refused; the client does not send it
		d.literal = -1
	case !ok:
	case kind == login, kind == auth:
		d.loggedIn = true
	case kind == forget:
		d.loggedIn = false
	case kind == stranger:
		return true
	}
	return false
}
