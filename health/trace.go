package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

const (
	// maxTurn is how much of what one side says at a time is shown, in octets.
	maxTurn = 8 << 10
	// maxTraced is how many lines are shown.
	maxTraced = 400
)

// The speakers of a Line.
const (
	ByProbe  = "probe"
	ByServer = "server"
	ByNobody = "note" // it was not said, but happened
)

// Line is one line of the dialogue of a probe.
type Line struct {
	By   string `json:"by"` // probe, server or note
	Text string `json:"text"`
}

// Trace takes down what a probe and a server say, for a person to read: bounded,
// control characters escaped, and without secrets. A nil Trace takes nothing down.
type Trace struct {
	mu      sync.Mutex // guards the fields below
	lines   []Line
	by      string // who speaks
	turn    []byte // what was said so far
	more    int    // octets of the turn beyond its bound
	secrets []string
}

// NewTrace returns a trace that shows stars in the place of what logs in.
func NewTrace(accounts ...Account) *Trace {
	t := new(Trace)
	for _, a := range accounts {
		if a.Password == "" {
			continue
		}
		t.secrets = append(t.secrets, a.Password, quotable.Replace(a.Password), url.QueryEscape(a.Password))
		for _, coded := range []string{a.User + ":" + a.Password, "\x00" + a.User + "\x00" + a.Password, a.Password} {
			t.secrets = append(t.secrets, base64.StdEncoding.EncodeToString([]byte(coded)))
		}
	}
	return t
}

type traceKey struct{}

// WithTrace returns a context whose probes are taken down.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

func traceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// Lines returns what was taken down.
func (t *Trace) Lines() []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end()
	return t.lines
}

// note takes down what happened.
func (t *Trace) note(text string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end()
	t.add(ByNobody, text)
}

// secured takes down what a handshake came to.
func (t *Trace) secured(s tls.ConnectionState) {
	if t == nil {
		return
	}
	text := tls.VersionName(s.Version) + ", " + tls.CipherSuiteName(s.CipherSuite)
	if s.ServerName != "" {
		text += ", asked for " + s.ServerName
	}
	if len(s.PeerCertificates) > 0 {
		text += ", shown a certificate for " + clip(strings.Join(s.PeerCertificates[0].DNSNames, ", "))
	}
	t.note(text)
}

// say takes down what one side says.
func (t *Trace) say(by string, p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if by != t.by {
		t.end()
		t.by = by
	}
	room := min(len(p), maxTurn-len(t.turn))
	t.turn = append(t.turn, p[:room]...)
	t.more += len(p) - room
}

// end ends a turn. The lock is held.
func (t *Trace) end() {
	said := t.turn
	if t.more > 0 { // what is cut off may begin with a secret
		for _, s := range t.secrets {
			said = said[:min(len(said), max(maxTurn-len(s), 0))]
		}
	}
	if len(said) > 0 {
		text := t.starred(string(said))
		if unprintable(said) {
			t.add(t.by, fmt.Sprintf("%d octets: % x", len(t.turn)+t.more, text[:min(len(text), 32)]))
		} else {
			for line := range strings.Lines(text) {
				t.add(t.by, strings.TrimRight(line, "\r\n"))
			}
		}
	}
	if cut := len(t.turn) - len(said) + t.more; cut > 0 {
		t.add(ByNobody, fmt.Sprintf("and %d octets more", cut))
	}
	t.turn, t.more, t.by = t.turn[:0], 0, ""
}

func (t *Trace) add(by, text string) {
	switch {
	case len(t.lines) < maxTraced:
		t.lines = append(t.lines, Line{by, escaped(text)})
	case len(t.lines) == maxTraced:
		t.lines = append(t.lines, Line{ByNobody, "and more lines"})
	}
}

// escaped returns a line as a terminal may be given it.
func escaped(text string) string {
	const most = 500 // octets
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f || c >= 0x80 && c < 0xa0 || c >= 0x2028 && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
			return '.'
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
}

// unprintable reports whether p is no text.
func unprintable(p []byte) bool {
	return bytes.IndexByte(p, 0) >= 0
}

// credential is what follows the scheme in a header that logs in, and what a
// cookie holds, in either direction.
var credential = regexp.MustCompile(`(?i)\b(authorization:[ \t]*\S+|cookie:[ \t]*[^=\r\n]*=)[ \t]*[^\r\n]+`)

// starred puts stars in the place of secrets, in whatever case of their letters a
// server says them again.
func (t *Trace) starred(text string) string {
	text = credential.ReplaceAllString(text, "$1 ***")
	for _, s := range t.secrets {
		text = replaceFold(text, s, "***")
	}
	return text
}

// replaceFold replaces what is old but for the case of ASCII letters.
func replaceFold(text, old, by string) string {
	low, old := lowerASCII(text), lowerASCII(old)
	var b strings.Builder
	for {
		i := strings.Index(low, old)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i] + by)
		text, low = text[i+len(old):], low[i+len(old):]
	}
}

// lowerASCII returns a text of the same length.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// over returns conn with what passes over it taken down.
func (t *Trace) over(conn net.Conn) net.Conn {
	if t == nil {
		return conn
	}
	return &tracedConn{conn, t}
}

// tracedConn is a connection whose octets are taken down.
type tracedConn struct {
	net.Conn

	trace *Trace
}

func (c *tracedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.trace.say(ByServer, p[:n])
	}
	return n, err
}

func (c *tracedConn) Write(p []byte) (int, error) {
	c.trace.say(ByProbe, p)
	return c.Conn.Write(p)
}
