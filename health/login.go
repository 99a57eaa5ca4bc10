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
// NTLM or the form of OWA in two.
func (p *LoginProbe) Check(ctx context.Context) error {
	conn, release, err := dial(ctx, p.Endpoint)
	if err != nil {
		return err
	}
	defer release()
	left := &io.LimitedReader{R: conn, N: maxAnswer}
	s := &loginSession{probe: p, conn: conn, left: left, in: bufio.NewReader(left)}
	switch {
	case p.Question == AskOWA:
		return s.form(ctx)
	case p.NTLM:
		return s.ntlm(ctx)
	default:
		return s.basic(ctx)
	}
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

// ask asks the question, or begins to log in. The body goes with the last request
// alone.
func (s *loginSession) ask(ctx context.Context, authorization string, last bool) (*loginAnswer, error) {
	return s.send(ctx, s.probe.Question.method(), s.probe.request(authorization, last))
}

// send sends one request and reads the answer, so that the connection can have
// another.
func (s *loginSession) send(ctx context.Context, method, request string) (*loginAnswer, error) {
	if _, err := io.WriteString(s.conn, request); err != nil {
		return nil, step(ctx, stepRequest, err)
	}
	resp, err := readAnswer(s.in, method)
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

// request returns one request that asks the question.
func (p *LoginProbe) request(authorization string, last bool) string {
	q := p.Question
	content, kind := "", ""
	if last {
		content, kind = q.content()
	}
	lines := []string{"Authorization: " + authorization}
	if kind != "" {
		lines = append(lines, "Content-Type: "+kind)
	}
	if content != "" || q.method() != http.MethodGet && q.method() != http.MethodOptions {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(content)))
	}
	if last {
		lines = append(lines, "Connection: close")
	}
	return p.head(q.method(), cmp.Or(p.Path, q.path()), lines...) + content
}

// head returns the head of a request, written here for the reason that HTTPProbe's
// is.
func (p *LoginProbe) head(method, path string, lines ...string) string {
	head := []string{method + " " + path + " HTTP/1.1", "Host: " + p.host(), "User-Agent: casbah-probe", "Accept: */*"}
	return strings.Join(append(head, lines...), "\r\n") + "\r\n\r\n"
}

func (p *LoginProbe) host() string { return cmp.Or(p.Host, p.Endpoint.Target) }

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
