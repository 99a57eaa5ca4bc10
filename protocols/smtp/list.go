package smtp

import (
	"bytes"

	"casbah/internal/maildialogue"
)

// listed takes a line of the reply to EHLO (RFC 5321, Section 4.1.1.1). A line is
// held back until the next one is there: which one is the last shows in the
// octet behind its code, and the server's last may be STARTTLS.
func (d *Dialogue) listed(line []byte, last bool, e *Effect) {
	text := said(line)
	word, _ := maildialogue.Word(text)
	d.chunking = d.lines > 1 && (d.chunking || maildialogue.Is(word, "CHUNKING"))
	if !d.state.Edits() {
		e.ToClient = append(e.ToClient, line...)
		return
	}
	switch {
	case d.lines == 1: // the server's name and greeting
		d.hold(text, nil, e)
	case maildialogue.Is(keyword(text), "STARTTLS"):
		// The server's own, which is not for this leg.
	case d.state.Plain() && maildialogue.Is(keyword(text), "AUTH"):
		d.mechanisms(text, e)
	default:
		d.hold(text, nil, e)
	}
	if !last {
		return
	}
	if d.state.Plain() && !d.authed {
		d.hold([]byte("STARTTLS"), nil, e)
	}
	d.flush(' ', e)
	d.last = nil
}

// mechanisms takes the AUTH line, of which only what reveals no secret is
// offered before TLS. Old servers write AUTH=.
func (d *Dialogue) mechanisms(text []byte, e *Effect) {
	name := keyword(text)
	list := bytes.TrimLeft(text[len(name):], "=")
	var room [256]byte
	if words, kept, _ := maildialogue.AppendMechanisms(room[:0], list); kept > 0 {
		d.hold(name, words, e)
	}
}

// said returns what a line of a reply says behind its code.
func said(line []byte) []byte {
	text := maildialogue.Text(line)
	return text[min(4, len(text)):]
}

// keyword returns the name that a line of the list begins with.
func keyword(text []byte) []byte {
	if i := bytes.IndexAny(text, " \t="); i >= 0 {
		return text[:i]
	}
	return text
}

// hold holds a line back, of which text and more are kept.
func (d *Dialogue) hold(text, more []byte, e *Effect) {
	d.flush('-', e)
	d.last = append(append(d.last[:0], "250 "...), text...)
	d.last = append(append(d.last, more...), "\r\n"...)
}

// flush sends the line that was held back.
func (d *Dialogue) flush(mark byte, e *Effect) {
	if len(d.last) > 0 {
		d.last[3] = mark
		e.ToClient = append(e.ToClient, d.last...)
	}
}
