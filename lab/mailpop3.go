package lab

import (
	"fmt"
	"strconv"
	"strings"
)

// pop3Session is one session of POP3 (RFC 1939). Messages stay: DELE is refused.
type pop3Session struct {
	*mailConn
	name string // by USER
	user string // logged in; "" before
	n    int    // messages
}

func servePOP3(m *mailConn) {
	s := &pop3Session{mailConn: m}
	m.say("+OK The Microsoft Exchange POP3 service is ready. [%s]", m.cas.FQDN())
	for {
		verb, rest, ok := m.command()
		switch {
		case !ok:
			return
		case verb == "QUIT":
			m.say("+OK Microsoft Exchange Server POP3 server signing off.")
			return
		case verb == "CAPA":
			s.capabilities()
		case s.user == "":
			s.authorize(verb, rest)
		default:
			s.transact(verb, rest)
		}
	}
}

func (s *pop3Session) capabilities() {
	s.say("+OK")
	for _, word := range []string{"TOP", "UIDL", "USER"} {
		s.say("%s", word)
	}
	if s.canBegin() {
		s.say("STLS")
	}
	s.say(".")
}

// authorize answers what may be said before the login.
func (s *pop3Session) authorize(verb, rest string) {
	switch {
	case verb == "STLS" && s.canBegin():
		s.say("+OK Begin TLS negotiation.")
		s.begin(s.cas.array.mailTLS())
		s.name = ""
	case verb == "USER" && rest != "":
		s.name = rest
		s.say("+OK")
	case verb == "PASS" && s.name != "":
		user, ok := s.login(s.name, rest)
		if s.name = ""; !ok {
			s.say("-ERR Logon failure: unknown user name or bad password.")
			return
		}
		s.user, s.n = user, s.cas.array.mail.messages(user)
		s.say("+OK User successfully logged on.")
	default:
		s.say("-ERR Command is not valid in this state.")
	}
}

// transact answers what may be said after it.
func (s *pop3Session) transact(verb, rest string) {
	switch verb {
	case "STAT":
		total := 0
		for i := 1; i <= s.n; i++ {
			total += len(message(s.user, i))
		}
		s.say("+OK %d %d", s.n, total)
	case "LIST":
		s.list(rest, func(n int) string { return strconv.Itoa(len(message(s.user, n))) })
	case "UIDL":
		s.list(rest, func(n int) string { return fmt.Sprintf("%s-%d", s.user, n) })
	case "RETR":
		if n, ok := s.number(rest); ok {
			s.multiline(message(s.user, n))
		}
	case "TOP":
		s.top(rest)
	case "NOOP", "RSET":
		s.say("+OK")
	default:
		s.say("-ERR Protocol error. Command is not implemented.")
	}
}

// list answers for one message, or for all.
func (s *pop3Session) list(rest string, what func(n int) string) {
	if rest != "" {
		if n, ok := s.number(rest); ok {
			s.say("+OK %d %s", n, what(n))
		}
		return
	}
	s.say("+OK %d messages", s.n)
	for n := 1; n <= s.n; n++ {
		s.say("%d %s", n, what(n))
	}
	s.say(".")
}

// number reads that of a message that is there, or answers that it is not.
func (s *pop3Session) number(text string) (n int, ok bool) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > s.n {
		s.say("-ERR The specified message is out of range.")
		return 0, false
	}
	return n, true
}

// top answers with the head of a message and some lines of its body.
func (s *pop3Session) top(rest string) {
	first, second, _ := strings.Cut(rest, " ")
	lines, err := strconv.Atoi(second)
	if err != nil || lines < 0 {
		s.say("-ERR Protocol error.")
		return
	}
	if n, ok := s.number(first); ok {
		head, body, _ := strings.Cut(message(s.user, n), "\r\n\r\n")
		kept := strings.SplitAfter(body, "\r\n")
		s.multiline(head + "\r\n\r\n" + strings.Join(kept[:min(lines, len(kept))], ""))
	}
}

// multiline sends a text that ends with a line, none of which begins with a dot:
// message makes none.
func (s *pop3Session) multiline(text string) { s.say("+OK\r\n%s.", text) }
