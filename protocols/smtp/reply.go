package smtp

import "casbah/internal/maildialogue"

// What ends a session, of the server.
var (
	errManyLines = protocol.Server("reply of more than 1000 lines")
	errNoReply   = protocol.Server("line that is no reply")
	errGoAhead   = protocol.Server("asks for more of a command that has no more")
)

// fromServer takes one line of a reply.
func (d *Dialogue) fromServer(p []byte, e *Effect) (int, error) {
	s := &d.state
	line, mistake := s.Response(p)
	switch {
	case mistake != nil:
		return 0, d.fail(e, mistake)
	case line == nil:
		return 0, nil
	}
	code, last, ok := parseReply(line)
	switch {
	case !ok:
		return 0, d.fail(e, errNoReply)
	case d.lines == maildialogue.MostLines:
		return 0, d.fail(e, errManyLines)
	}
	d.lines++
	if code == 250 && d.due() == ehlo {
		d.listed(line, last, e)
	} else {
		d.flush('-', e) // of a list that ends in another code
		d.last = nil
		e.ToClient = append(e.ToClient, line...)
	}
	if !last {
		return len(line), nil
	}
	d.lines = 0
	err := d.replied(code, e)
	s.Resume(e)
	return len(line), err
}

// parseReply reads a line of a reply (RFC 5321, Section 4.2).
func parseReply(line []byte) (code int, last, ok bool) {
	text := maildialogue.Text(line)
	if len(text) < 3 {
		return 0, false, false
	}
	n, ok := maildialogue.Number(text[:3])
	if !ok || len(text) > 3 && text[3] != ' ' && text[3] != '-' {
		return 0, false, false
	}
	return int(n), len(text) == 3 || text[3] == ' ', true
}

// due returns the kind of the command that the server's words answer.
func (d *Dialogue) due() uint8 {
	if !d.state.Greeted || d.state.Queue.Empty() {
		return plain
	}
	return d.state.Queue.First()
}

// replied draws the conclusions of a whole reply.
func (d *Dialogue) replied(code int, e *Effect) error {
	s := &d.state
	s.Left = s.Left || code == 421 || code == 221
	kind, asked := d.due(), s.Greeted && !d.state.Queue.Empty()
	s.Greeted = true
	if !asked {
		return nil // the greeting, or a server that ends the session by itself
	}
	d.state.Queue.Pop()
	if kind == plain {
		if code/100 == 3 {
			return d.fail(e, errGoAhead)
		}
		return nil
	}
	s.Phase = maildialogue.Command
	switch {
	case kind == ehlo || kind == helo:
		d.mustGreet = d.mustGreet && code != 250
		// HELO offers nothing. An EHLO that is refused changes nothing, but before TLS
		// that is not relied on: a server in doubt reads a chunk as commands.
		d.chunking = d.chunking && (kind == ehlo && code == 250 || code != 250 && !s.Plain())
	case kind == data && code/100 == 3:
		s.Phase, s.Body = maildialogue.Message, 0
	case kind == auth && code/100 == 3:
		s.Phase = maildialogue.Answers
	case kind == auth:
		d.authed = d.authed || code/100 == 2
	case kind == exchange50 && code/100 == 3:
		d.state.Queue.Push(plain)
		e.PassClient = d.octets
	case kind == tls && code == 220, kind == turn && code/100 == 2:
		s.Lose(e)
	}
	return nil
}
