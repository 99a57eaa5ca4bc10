package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"casbah/balance"
)

// maxReplyLines is how many lines a reply may have. Exchange answers EHLO with
// about twenty.
const maxReplyLines = 100

// SMTPProbe takes a service for good that greets and answers EHLO as RFC 5321 has
// it. It begins no mail.
type SMTPProbe struct {
	Endpoint *balance.Endpoint
	TLS      *tls.Config // from the first octet, where the endpoint has none; nil: plain
	StartTLS *tls.Config // begun by STARTTLS (RFC 3207); nil: not
}

// Check has one session.
func (p *SMTPProbe) Check(ctx context.Context) error {
	conn, release, err := dialTLS(ctx, p.Endpoint, p.TLS)
	if err != nil {
		return err
	}
	defer release()
	d := &smtp{newDialogue(conn)}
	if err := d.greeting(ctx); err != nil {
		return err
	}
	// A client without a name of its own gives its address (RFC 5321, Section 4.1.4).
	hello := []string{"EHLO", literal(conn.LocalAddr())}
	if err := d.ask(ctx, 250, hello...); err != nil {
		return err
	}
	if p.StartTLS != nil {
		if err := d.ask(ctx, 220, "STARTTLS"); err != nil {
			return err
		}
		if err := d.secure(ctx, p.StartTLS); err != nil {
			return err
		}
		// What was said before counts no more (RFC 3207, Section 4.2).
		if err := d.ask(ctx, 250, hello...); err != nil {
			return err
		}
	}
	return d.farewell(ctx, "QUIT")
}

// literal returns an address as EHLO names it (RFC 5321, Section 4.1.3).
func literal(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.String() + "]"
	default:
		return "[IPv6:" + tcp.IP.String() + "]"
	}
}

// smtp is one session.
type smtp struct{ *dialogue }

// greeting wants the server's. One that takes no mail for now, as it shuts down or
// was taken out of service, says so in a code of its own (RFC 5321, Section 3.8, and
// RFC 3463, Section 3.4).
func (d *smtp) greeting(ctx context.Context) error {
	const name, takesNone = "greeting", "421 4.3.2 "
	got, text, err := d.reply()
	switch {
	case err != nil:
		return step(ctx, name, err)
	case got == 421 && strings.HasPrefix(text, `"`+takesNone):
		return fmt.Errorf("%w: %s: want 220, got %s", ErrOff, name, text)
	case got != 220:
		return fmt.Errorf("%s: want 220, got %s", name, text)
	default:
		return nil
	}
}

// ask sends a command and wants a reply with that code.
func (d *smtp) ask(ctx context.Context, code int, command ...string) error {
	if err := d.say(command...); err != nil {
		return step(ctx, command[0], err)
	}
	return d.want(ctx, command[0], code)
}

// want reads a reply, and wants that code; name says what it answers.
func (d *smtp) want(ctx context.Context, name string, code int) error {
	got, text, err := d.reply()
	switch {
	case err != nil:
		return step(ctx, name, err)
	case got != code:
		return fmt.Errorf("%s: want %d, got %s", name, code, text)
	default:
		return nil
	}
}

// errReply is a reply that is none.
var errReply = errors.New("want a reply of SMTP")

// reply reads one reply: lines with one code, a dash behind it in all but the
// last (RFC 5321, Section 4.2.1). It returns the first line as it may be shown.
func (d *smtp) reply() (code int, first string, err error) {
	for range maxReplyLines {
		line, err := d.line()
		if err != nil {
			return 0, "", err
		}
		n, last, ok := replyLine(line)
		if !ok || code != 0 && n != code {
			return 0, "", fmt.Errorf("%w, got %s", errReply, d.quote(line))
		}
		if code == 0 {
			code, first = n, d.quote(line)
		}
		if last {
			return code, first, nil
		}
	}
	return 0, "", fmt.Errorf("%w of at most %d lines, got more behind %s", errReply, maxReplyLines, first)
}

// replyLine reads the code of one line of a reply, and whether it is the last.
func replyLine(line []byte) (code int, last, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, false, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false, false
		}
		code = 10*code + int(c-'0')
	}
	if len(line) == 3 {
		return code, true, true
	}
	return code, line[3] == ' ', line[3] == ' ' || line[3] == '-'
}
