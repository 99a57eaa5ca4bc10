package health

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"unicode/utf8"

	"casbah/balance"
)

const (
	// maxLine is the longest line that is read, in octets with its end. POP3 and
	// SMTP need 512 (RFC 1939, Section 3; RFC 5321, Section 4.5.3.1.5).
	maxLine = 2048
	// maxSaid is how much of a line is shown, in octets.
	maxSaid = 128
)

// Account is what a probe logs in with. The zero value: it does not.
type Account struct {
	User, Password string
}

// MailProbe is what probes of IMAP4 and POP3 are told.
type MailProbe struct {
	Endpoint *balance.Endpoint
	TLS      *tls.Config // from the first octet, where the endpoint has none; nil: plain
	StartTLS *tls.Config // begun by STARTTLS (RFC 3501, Section 6.2.1) or STLS (RFC 2595, Section 4); nil: not
	Account  Account
}

// A dialogue is a connection on which two speak in lines: POP3 or SMTP.
type dialogue struct {
	conn   net.Conn
	left   *io.LimitedReader
	in     *bufio.Reader
	hidden string // password that was sent: not shown, even if the server says it
}

func newDialogue(conn net.Conn) *dialogue {
	d := &dialogue{conn: conn, left: &io.LimitedReader{R: conn, N: maxAnswer}}
	d.in = bufio.NewReaderSize(d.left, maxLine)
	return d
}

// say sends one line.
func (d *dialogue) say(words ...string) error {
	_, err := io.WriteString(d.conn, strings.Join(words, " ")+"\r\n")
	return err
}

// line reads one line, without its end: CRLF, or LF of a server that is careless.
// It is valid until the next call.
func (d *dialogue) line() ([]byte, error) {
	p, err := d.in.ReadSlice('\n')
	switch {
	case err == nil:
		return bytes.TrimSuffix(p[:len(p)-1], []byte("\r")), nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("line longer than %d octets: %s", maxLine, d.quote(p))
	case d.left.N <= 0:
		return nil, fmt.Errorf("more than %d octets", maxAnswer)
	default:
		return nil, err
	}
}

// secure begins TLS on a connection that is plain so far. What came ahead of it
// is refused: whoever stands between could have put it there, as an answer to
// what is asked in TLS.
func (d *dialogue) secure(ctx context.Context, t *tls.Config) error {
	if n := d.in.Buffered(); n > 0 {
		return fmt.Errorf("TLS: %d octets in clear ahead of it", n)
	}
	conn, err := handshake(ctx, d.conn, t)
	if err != nil {
		return err
	}
	d.conn, d.left.R = conn, conn
	return nil
}

// farewell waits for the answer to the last command, whatever it is. A server
// that hangs up has understood as well; one that is silent hangs.
func (d *dialogue) farewell(ctx context.Context, command string) error {
	if d.say(command) != nil {
		return nil //nolint:nilerr // it has hung up already
	}
	if _, err := d.line(); err != nil {
		if err = step(ctx, command, err); errors.Is(err, ErrTimeout) {
			return err
		}
	}
	return nil
}

// quote shows what the server said.
func (d *dialogue) quote(line []byte) string { return said(line, d.hidden) }

// quotable escapes what stands in a quoted string of IMAP.
var quotable = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// holds reports whether text is in line, in either case of its letters.
func holds(line []byte, text string) bool {
	return strings.Contains(strings.ToLower(string(line)), strings.ToLower(text))
}

// said shows, in quotes, the begin of what a server said, for the page and the log:
// control characters escaped and nothing of it if it holds the hidden text, in
// either case of its letters.
func said(line []byte, hidden string) string {
	if hidden != "" && (holds(line, hidden) || holds(line, quotable.Replace(hidden))) {
		return "an answer that holds the password"
	}
	var b strings.Builder
	for i := 0; i < len(line); {
		_, n := utf8.DecodeRune(line[i:])
		q := strconv.Quote(string(line[i : i+n]))
		if q = q[1 : len(q)-1]; b.Len()+len(q) > maxSaid {
			return `"` + b.String() + `"...`
		}
		b.WriteString(q)
		i += n
	}
	return `"` + b.String() + `"`
}
