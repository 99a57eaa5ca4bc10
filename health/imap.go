package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// IMAPProbe takes a service for good that greets, tells its capabilities and lets
// go as RFC 3501 has it and, with an account, lets that in. It opens no mailbox.
type IMAPProbe MailProbe

// Check has one session.
func (p *IMAPProbe) Check(ctx context.Context) error {
	conn, release, err := dialTLS(ctx, p.Endpoint, p.TLS)
	if err != nil {
		return err
	}
	defer release()
	if p.StartTLS != nil {
		if conn, err = p.begin(ctx, conn); err != nil {
			return err
		}
	}
	h := &heard{Conn: conn, left: maxAnswer, greeted: p.StartTLS != nil}
	s := &imapSession{heard: h, client: imapclient.New(h, nil)}
	defer s.client.Close() // whatever it still reads says nothing of the service
	return s.run(ctx, p.Account)
}

// imapTag is that of the command that begins TLS.
const imapTag = "casbah"

// begin reads the greeting and begins TLS. It is done here and not by the library,
// which would read on in TLS what came ahead of it.
func (p *IMAPProbe) begin(ctx context.Context, conn net.Conn) (net.Conn, error) {
	const command = "STARTTLS"
	d := newDialogue(conn)
	line, err := d.line()
	switch {
	case err != nil:
		return nil, step(ctx, "greeting", err)
	case !bytes.HasPrefix(bytes.ToUpper(line), []byte("* OK")):
		return nil, fmt.Errorf("greeting: want OK, got %s", d.quote(line))
	}
	if err := d.say(imapTag, command); err != nil {
		return nil, step(ctx, command, err)
	}
	for {
		line, err := d.line()
		if err != nil {
			return nil, step(ctx, command, err)
		}
		if answer, ok := bytes.CutPrefix(line, []byte(imapTag+" ")); ok {
			if !bytes.HasPrefix(bytes.ToUpper(answer), []byte("OK")) {
				return nil, fmt.Errorf("%s: want OK, got %s", command, d.quote(answer))
			}
			break
		}
		if !bytes.HasPrefix(line, []byte("* ")) {
			return nil, fmt.Errorf("%s: want OK, got %s", command, d.quote(line))
		}
	}
	if err := d.secure(ctx, p.StartTLS); err != nil {
		return nil, err
	}
	return d.conn, nil
}

// imapSession is one session, of which the library reads and writes.
type imapSession struct {
	*heard
	client *imapclient.Client
}

// run asks what there is to ask.
func (s *imapSession) run(ctx context.Context, a Account) error {
	if err := s.client.WaitGreeting(); err != nil {
		return s.wrong(ctx, "greeting", err)
	}
	s.next()
	caps, err := s.client.Capability().Wait()
	if err != nil {
		return s.wrong(ctx, "CAPABILITY", err)
	}
	if a.User != "" && s.client.State() != imap.ConnStateAuthenticated { // but by PREAUTH
		if caps.Has(imap.CapLoginDisabled) { // RFC 3501, Section 6.2.3: it must not be tried
			return errors.New("LOGIN: the server takes none on this connection (LOGINDISABLED)")
		}
		s.hide(a.Password)
		if err := s.asked(ctx, "LOGIN", func() *imapclient.Command { return s.client.Login(a.User, a.Password) }); err != nil {
			return err
		}
		if err := s.asked(ctx, "NOOP", s.client.Noop); err != nil {
			return err
		}
	}
	// A server that hangs up instead has understood as well.
	if err := s.asked(ctx, "LOGOUT", s.client.Logout); errors.Is(err, ErrTimeout) {
		return err
	}
	return nil
}

// asked runs one command of the library's.
func (s *imapSession) asked(ctx context.Context, name string, command func() *imapclient.Command) error {
	s.next()
	if err := command().Wait(); err != nil {
		return s.wrong(ctx, name, err)
	}
	return nil
}

// wrong says what was wrong with an answer. The library tells of a connection
// that broke in words alone, and so of octets that it does not understand.
func (s *imapSession) wrong(ctx context.Context, name string, err error) error {
	if answer, ok := errors.AsType[*imap.Error](err); ok {
		text := string(answer.Type)
		if answer.Code != "" {
			text += " [" + string(answer.Code) + "]"
		}
		text = said([]byte(text+" "+answer.Text), s.hidden())
		if name == "LOGIN" && refusesAccount(answer) {
			return fmt.Errorf("%w: %s: want OK, got %s", ErrRefused, name, text)
		}
		return fmt.Errorf("%s: want OK, got %s", name, text)
	}
	_ = s.client.Close() // it has read all that it will, and why it ended is known
	line, broken := s.ended()
	switch {
	case errors.Is(broken, errFlood):
		return fmt.Errorf("%s: %w: %s", name, errFlood, said(line, s.hidden()))
	case broken != nil:
		return step(ctx, name, broken)
	default:
		return fmt.Errorf("%s: not IMAP: got %s", name, said(line, s.hidden()))
	}
}

// refusesAccount reports whether an answer to LOGIN is about the account, and not
// about the server's own troubles (RFC 5530, Section 3).
func refusesAccount(answer *imap.Error) bool {
	return answer.Type == imap.StatusResponseTypeNo && answer.Code != imap.ResponseCodeUnavailable &&
		answer.Code != imap.ResponseCodeServerBug && answer.Code != imap.ResponseCodeInUse
}

// errFlood is the end of a connection on which too much came.
var errFlood = fmt.Errorf("more than %d octets", maxAnswer)

// heard is a connection that the library may not read without end, nor for longer
// than the probe lasts: it sets deadlines of its own, which are not taken over.
type heard struct {
	net.Conn
	greeted bool // before the library: it is told of a greeting that has been

	mu     sync.Mutex // guards the fields below
	left   int        // octets that may still come
	line   []byte     // first one since the last command, or its begin
	whole  bool       // line is complete
	broken error      // of Read
	secret string     // password that was sent
}

// greeting stands for the one that has come before TLS: behind STARTTLS there is
// none.
const greeting = "* OK\r\n"

// Read reads what is left of the octets that may come.
func (h *heard) Read(p []byte) (int, error) {
	if h.greeted {
		h.greeted = false
		return copy(p, greeting), nil
	}
	h.mu.Lock()
	most := min(len(p), h.left)
	h.mu.Unlock()
	if most == 0 {
		return 0, h.breaks(errFlood)
	}
	n, err := h.Conn.Read(p[:most])
	h.mu.Lock()
	h.left -= n
	h.keep(p[:n])
	h.mu.Unlock()
	return n, h.breaks(err)
}

// breaks keeps the error that ended the connection, if it is one.
func (h *heard) breaks(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken == nil && !errors.Is(err, net.ErrClosed) {
		h.broken = err
	}
	return err
}

// keep takes the first line from p. The lock is held.
func (h *heard) keep(p []byte) {
	if h.whole {
		return
	}
	text, _, found := bytes.Cut(p, []byte("\n"))
	h.whole = found
	h.line = append(h.line, text[:min(len(text), maxLine-len(h.line))]...)
}

// next begins a command: what comes now answers it.
func (h *heard) next() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line, h.whole = h.line[:0], false
}

// ended returns the first line since the last command, and the error that ended
// the connection; nil if it did not end by itself. A line that is not complete may
// end within the password, and is not shown.
func (h *heard) ended() (line []byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.secret != "" && !h.whole {
		return nil, h.broken
	}
	return bytes.TrimSuffix(h.line, []byte("\r")), h.broken
}

func (h *heard) hide(password string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secret = password
}

func (h *heard) hidden() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.secret
}

// SetDeadline does nothing: the probe has its own.
func (*heard) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: the probe has its own.
func (*heard) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: the probe has its own.
func (*heard) SetWriteDeadline(time.Time) error { return nil }
