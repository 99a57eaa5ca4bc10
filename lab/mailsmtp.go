package lab

import (
	"net"
	"strings"
)

// mostMail is the largest message that SMTP takes, in octets.
const mostMail = 10 << 20

// smtpSession is one session of SMTP (RFC 5321). Mail is accepted and dropped.
type smtpSession struct {
	*mailConn
	greeted    bool // by EHLO or HELO
	from       bool
	recipients int
}

func serveSMTP(m *mailConn) {
	if m.cas.components.offline(All) {
		m.say("421 4.3.2 Service not active")
		return
	}
	s := &smtpSession{mailConn: m}
	m.say("220 %s Microsoft ESMTP MAIL Service ready", m.cas.FQDN())
	for {
		verb, rest, ok := m.command()
		if !ok {
			return
		}
		switch verb {
		case "QUIT":
			m.say("221 2.0.0 Service closing transmission channel")
			return
		case "EHLO", "HELO":
			s.hello(verb)
		case "STARTTLS":
			if !s.starttls() {
				m.say("502 5.3.3 Command not implemented")
			}
		case "NOOP":
			m.say("250 2.0.0 OK")
		case "RSET":
			s.from, s.recipients = false, 0
			m.say("250 2.0.0 Resetting")
		case "VRFY":
			m.say("252 2.1.5 Cannot VRFY user")
		default:
			if !s.transact(verb, rest) {
				return
			}
		}
	}
}

// hello ends a transaction (RFC 5321, Section 4.1.4).
func (s *smtpSession) hello(verb string) {
	s.greeted, s.from, s.recipients = true, false, 0
	host, _, _ := net.SplitHostPort(s.RemoteAddr().String())
	if verb == "HELO" {
		s.say("250 %s Hello [%s]", s.cas.FQDN(), host)
		return
	}
	s.say("250-%s Hello [%s]", s.cas.FQDN(), host)
	s.say("250-SIZE %d", mostMail)
	if s.canBegin() {
		s.say("250-STARTTLS")
	}
	s.say("250 8BITMIME")
}

// starttls begins TLS, where it can; nothing said before counts any more.
func (s *smtpSession) starttls() bool {
	if !s.canBegin() {
		return false
	}
	s.say("220 2.0.0 SMTP server ready")
	s.begin(s.cas.array.mailTLS())
	s.greeted, s.from, s.recipients = false, false, 0
	return true
}

// transact answers the commands of a mail; false ends the session.
func (s *smtpSession) transact(verb, rest string) bool {
	rest = strings.ToUpper(rest)
	switch {
	case verb != "MAIL" && verb != "RCPT" && verb != "DATA":
		s.say("500 5.3.3 Unrecognized command")
	case !s.greeted:
		s.say("503 5.5.2 Send hello first")
	case verb == "MAIL" && !s.from && strings.HasPrefix(rest, "FROM:"):
		s.from = true
		s.say("250 2.1.0 Sender OK")
	case verb == "RCPT" && s.from && strings.HasPrefix(rest, "TO:"):
		s.recipients++
		s.say("250 2.1.5 Recipient OK")
	case verb == "DATA" && s.recipients > 0:
		s.say("354 Start mail input; end with <CRLF>.<CRLF>")
		octets, ok := s.body(mostMail)
		if !ok {
			s.say("552 5.3.4 Message size exceeds fixed maximum message size")
			return false
		}
		s.from, s.recipients = false, 0
		s.say("250 2.6.0 %d octets queued for nobody", octets)
	default:
		s.say("503 5.5.2 Bad sequence of commands")
	}
	return true
}
