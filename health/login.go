package health

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/Azure/go-ntlmssp"

	"casbah/balance"
)

// LoginProbe logs in to a directory and asks for what only a server can answer
// that reaches mailboxes, or their directory. It changes nothing there.
type LoginProbe struct {
	Endpoint *balance.Endpoint
	Host     string // Host header; empty: the endpoint's target
	Question Question
	Path     string // request target; empty: the question's own
	NTLM     bool   // false: Basic
	Account  Account
}

// Check logs in over a connection of its own: with Basic in one request, with
// NTLM in two.
func (p *LoginProbe) Check(ctx context.Context) error {
	conn, release, err := dial(ctx, p.Endpoint)
	if err != nil {
		return err
	}
	defer release()
	left := &io.LimitedReader{R: conn, N: maxAnswer}
	s := &loginSession{probe: p, conn: conn, left: left, in: bufio.NewReader(left)}
	if p.NTLM {
		return s.ntlm(ctx)
	}
	return s.basic(ctx)
}

// loginSession is one connection.
type loginSession struct {
	probe *LoginProbe
	conn  net.Conn
	left  *io.LimitedReader
	in    *bufio.Reader
}

func (s *loginSession) basic(ctx context.Context) error {
	a := &s.probe.Account
	got, err := s.ask(ctx, "Basic "+base64.StdEncoding.EncodeToString([]byte(a.User+":"+a.Password)), true)
	if err != nil {
		return err
	}
	return s.judge(got)
}

// ntlm begins with a message that says nothing of the user, and answers the
// server's challenge on the same connection.
func (s *loginSession) ntlm(ctx context.Context) error {
	begin, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		return fmt.Errorf("NTLM: %w", err)
	}
	got, err := s.ask(ctx, "NTLM "+base64.StdEncoding.EncodeToString(begin), false)
	if err != nil {
		return err
	}
	challenge := challengeOf(got.header)
	switch {
	case got.code != http.StatusUnauthorized:
		return got.not(http.StatusUnauthorized)
	case challenge == nil:
		return errors.New("NTLM: want a challenge, got none: does the directory offer NTLM?")
	}
	answer, err := ntlmssp.NewAuthenticateMessage(challenge, s.probe.Account.User, s.probe.Account.Password, nil)
	if err != nil {
		return fmt.Errorf("NTLM: %s", clip(err.Error()))
	}
	got, err = s.ask(ctx, "NTLM "+base64.StdEncoding.EncodeToString(answer), true)
	if err != nil {
		return err
	}
	return s.judge(got)
}

// maxChallenge is the longest challenge of NTLM that is read, in octets.
const maxChallenge = 4 << 10

// challengeOf returns the NTLM challenge among the schemes that a server offers;
// nil: there is none.
func challengeOf(h http.Header) []byte {
	for _, offer := range h.Values("WWW-Authenticate") {
		name, token, _ := strings.Cut(strings.TrimSpace(offer), " ")
		if !strings.EqualFold(name, "NTLM") || len(token) > maxChallenge {
			continue
		}
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token)); err == nil && len(raw) > 0 {
			return raw
		}
	}
	return nil
}

// loginAnswer is an answer that was read whole.
type loginAnswer struct {
	code   int
	status string // as the server gave it
	header http.Header
	body   []byte
}

// not returns the error of an answer with another status than the right one.
func (a *loginAnswer) not(want int) error { return &statusError{[]int{want}, a.code, clip(a.status)} }

// ask sends one request and reads the answer, so that the connection can have
// another. The body goes with the last one alone.
func (s *loginSession) ask(ctx context.Context, authorization string, last bool) (*loginAnswer, error) {
	if _, err := io.WriteString(s.conn, s.probe.request(authorization, last)); err != nil {
		return nil, step(ctx, stepRequest, err)
	}
	resp, err := readAnswer(s.in, s.probe.Question.method())
	if err != nil {
		if s.left.N <= 0 {
			return nil, fmt.Errorf("answer: more than %d octets", maxAnswer)
		}
		return nil, notHTTP(ctx, err)
	}
	defer resp.Body.Close() // the connection's
	body, err := io.ReadAll(resp.Body)
	switch {
	case err == nil:
		return &loginAnswer{resp.StatusCode, resp.Status, resp.Header, body}, nil
	case s.left.N <= 0:
		return nil, fmt.Errorf("body: more than %d octets", maxAnswer)
	default:
		return nil, step(ctx, "body", err)
	}
}

// request returns one request, written here for the reason that HTTPProbe's is.
func (p *LoginProbe) request(authorization string, last bool) string {
	q := p.Question
	content, kind := "", ""
	if last {
		content, kind = q.content()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", q.method(), cmp.Or(p.Path, q.path()))
	fmt.Fprintf(&b, "Host: %s\r\n", cmp.Or(p.Host, p.Endpoint.Target))
	b.WriteString("User-Agent: casbah-probe\r\nAccept: */*\r\nAuthorization: " + authorization + "\r\n")
	if kind != "" {
		b.WriteString("Content-Type: " + kind + "\r\n")
	}
	if content != "" || q.method() != http.MethodGet && q.method() != http.MethodOptions {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(content))
	}
	if last {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n" + content)
	return b.String()
}

// judge wants the right answer to somebody who is logged in.
func (s *loginSession) judge(got *loginAnswer) error {
	switch got.code {
	case http.StatusOK:
		return s.probe.Question.judge(got.header, got.body)
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: 401 for %s", ErrRefused, s.probe.Account.User)
	default:
		return got.not(http.StatusOK)
	}
}
