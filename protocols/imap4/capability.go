package imap4

import (
	"bytes"

	"casbah/internal/maildialogue"
)

// rewrite sends a status or a list of capabilities. It reports whether a list is
// within bounds.
func (d *Dialogue) rewrite(line []byte, e *Effect) bool {
	begin, end, found := listOf(line)
	if !found {
		e.ToClient = append(e.ToClient, line...)
		return true
	}
	e.ToClient = append(e.ToClient, line[:begin]...)
	ok := d.capabilities(line[begin:end], e)
	e.ToClient = append(e.ToClient, line[end:]...)
	return ok
}

// listOf returns where in a line capabilities stand: in the response CAPABILITY
// (RFC 9051, Section 7.2.2) or in the code of a status (Section 7.1).
func listOf(line []byte) (begin, end int, found bool) {
	text := maildialogue.Text(line)
	_, rest, _ := bytes.Cut(text, []byte(" "))
	word, rest := maildialogue.Word(rest)
	if maildialogue.Is(word, "CAPABILITY") && text[0] == '*' {
		return len(text) - len(rest), len(text), true
	}
	const code = "[CAPABILITY"
	rest = bytes.TrimLeft(rest, " \t")
	if !isStatus(word) || !maildialogue.HasPrefix(rest, code) {
		return 0, 0, false
	}
	begin = len(text) - len(rest) + len(code)
	if begin < len(text) && bytes.IndexByte([]byte(" \t]"), text[begin]) < 0 {
		return 0, 0, false // a longer word
	}
	if i := bytes.IndexByte(text[begin:], ']'); i >= 0 {
		return begin, begin + i, true
	}
	return begin, len(text), true
}

// capabilities sends a list of which every word has a space before it.
func (d *Dialogue) capabilities(list []byte, e *Effect) bool {
	d.literalPlus = false
	disabled := false
	for n := 0; ; n++ {
		word, rest := maildialogue.Word(list)
		if len(word) == 0 {
			break
		}
		if n == maildialogue.MostCapabilities {
			return false
		}
		if d.keeps(word, &disabled) {
			e.ToClient = append(e.ToClient, list[:len(list)-len(rest)]...)
		}
		list = rest
	}
	if d.state.Plain() && !d.loggedIn {
		e.ToClient = append(e.ToClient, " STARTTLS"...)
		if !disabled {
			e.ToClient = append(e.ToClient, " LOGINDISABLED"...)
		}
	}
	e.ToClient = append(e.ToClient, list...)
	return true
}

// keeps reports whether a capability of the server holds for the client, and
// notes what it says.
func (d *Dialogue) keeps(word []byte, disabled *bool) bool {
	s := &d.state
	const mechanism = "AUTH="
	switch {
	case maildialogue.Is(word, "LITERAL+"), maildialogue.Is(word, "LITERAL-"), maildialogue.Is(word, "IMAP4REV2"):
		d.literalPlus = true // RFC 9051 has LITERAL- in it
	case !s.Edits():
	case maildialogue.Is(word, "STARTTLS"):
		return false // the server's own, which is not for this leg
	case maildialogue.Is(word, "LOGINDISABLED"):
		*disabled = true
		// It is said for the server's leg; the client's is encrypted.
		return !s.Secure() || s.ServerSecure()
	case s.Plain() && !d.loggedIn && maildialogue.HasPrefix(word, mechanism):
		return !maildialogue.RevealsSecret(word[len(mechanism):])
	}
	return true
}
