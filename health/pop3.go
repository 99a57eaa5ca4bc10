package health

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
)

// POP3Probe takes a service for good that greets and lets go as RFC 1939 has it
// and, with an account, opens its mailbox. It deletes nothing.
type POP3Probe MailProbe

// Check has one session.
func (p *POP3Probe) Check(ctx context.Context) error {
	conn, release, err := dialTLS(ctx, p.Endpoint, p.TLS)
	if err != nil {
		return err
	}
	defer release()
	d := &pop3{newDialogue(conn)}
	if err := d.positive(ctx, "greeting"); err != nil {
		return err
	}
	if p.StartTLS != nil {
		if err := d.ask(ctx, "STLS"); err != nil {
			return err
		}
		if err := d.secure(ctx, p.StartTLS); err != nil {
			return err
		}
	}
	if err := d.capabilities(ctx); err != nil {
		return err
	}
	if p.Account.User != "" {
		if err := d.login(ctx, p.Account); err != nil {
			return err
		}
	}
	return d.farewell(ctx, "QUIT")
}

// pop3 is one session.
type pop3 struct{ *dialogue }

// ask sends a command whose answer is one line, and wants it positive.
func (d *pop3) ask(ctx context.Context, command string, args ...string) error {
	if err := d.say(append([]string{command}, args...)...); err != nil {
		return step(ctx, command, err)
	}
	return d.positive(ctx, command)
}

// positive reads the first line of an answer, and wants +OK; name says what it
// answers.
func (d *pop3) positive(ctx context.Context, name string) error {
	line, err := d.line()
	switch {
	case err != nil:
		return step(ctx, name, err)
	case !status(line, "+OK"):
		return fmt.Errorf("%s: want +OK, got %s", name, d.quote(line))
	default:
		return nil
	}
}

// capabilities asks for them. A server need not know the command (RFC 2449).
func (d *pop3) capabilities(ctx context.Context) error {
	const name = "CAPA"
	if err := d.say(name); err != nil {
		return step(ctx, name, err)
	}
	line, err := d.line()
	switch {
	case err != nil:
		return step(ctx, name, err)
	case status(line, "-ERR"):
		return nil
	case !status(line, "+OK"):
		return fmt.Errorf("%s: want +OK or -ERR, got %s", name, d.quote(line))
	}
	for string(line) != "." {
		if line, err = d.line(); err != nil {
			return step(ctx, name, err)
		}
	}
	return nil
}

// login opens the mailbox and counts what is in it.
func (d *pop3) login(ctx context.Context, a Account) error {
	if err := d.ask(ctx, "USER", a.User); err != nil {
		return err
	}
	d.hidden = a.Password
	if err := d.pass(ctx, a.Password); err != nil {
		return err
	}
	const name = "STAT"
	if err := d.say(name); err != nil {
		return step(ctx, name, err)
	}
	line, err := d.line()
	if err != nil {
		return step(ctx, name, err)
	}
	if !listing(line) {
		return fmt.Errorf("%s: want +OK and two numbers, got %s", name, d.quote(line))
	}
	return nil
}

// pass sends the password. A server that refuses the account says so, unless it
// tells of troubles of its own (RFC 3206, Section 4, and RFC 2449, Section 8.1.1).
func (d *pop3) pass(ctx context.Context, password string) error {
	const name = "PASS"
	if err := d.say(name, password); err != nil {
		return step(ctx, name, err)
	}
	line, err := d.line()
	switch {
	case err != nil:
		return step(ctx, name, err)
	case status(line, "+OK"):
		return nil
	case status(line, "-ERR") && !bytes.HasPrefix(line, []byte("-ERR [SYS/")) && !bytes.HasPrefix(line, []byte("-ERR [IN-USE]")):
		return fmt.Errorf("%w: %s: want +OK, got %s", ErrRefused, name, d.quote(line))
	default:
		return fmt.Errorf("%s: want +OK, got %s", name, d.quote(line))
	}
}

// status reports whether an answer begins with that word.
func status(line []byte, word string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(word))
	return ok && (len(rest) == 0 || rest[0] == ' ')
}

// listing reports whether line answers STAT: how many messages, and how many
// octets (RFC 1939, Section 5). What follows is the server's own.
func listing(line []byte) bool {
	if !status(line, "+OK") {
		return false
	}
	words := bytes.Fields(line)
	if len(words) < 3 {
		return false
	}
	for _, w := range words[1:3] {
		if _, err := strconv.ParseUint(string(w), 10, 64); err != nil {
			return false
		}
	}
	return true
}
