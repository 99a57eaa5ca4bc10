package health

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"casbah/balance"
)

// maxAnswer is how much of an answer is read, head and body, in octets.
const maxAnswer = 64 << 10

// maxInterim is how many 1xx heads may come before the answer.
const maxInterim = 8

// The steps of a probe by HTTP.
const (
	stepRequest = "request"
	stepAnswer  = "answer"
)

// HTTPProbe asks for one page over a connection of its own. It follows no
// redirect, keeps no cookie and uses no proxy: the answer is the service's own.
type HTTPProbe struct {
	Endpoint *balance.Endpoint
	Method   string // empty: GET
	Path     string // request target in origin form
	Host     string // Host header; empty: the endpoint's target
	Expect   []int  // statuses that are good; empty: 200
	Body     string // what the body must contain; empty: it is not read
	FQDN     string // how the server must call itself on its health page, if it does; empty: any
}

// Check asks once. A health page that says no is asked no more, but the directory
// that it is of: whether that lives tells an orderly end of work from a fault.
func (p *HTTPProbe) Check(ctx context.Context) error {
	err := p.ask(ctx)
	if directory, ok := healthPage(p.Path); ok && declines(err) && p.lives(ctx, directory) {
		return fmt.Errorf("%w: %w", ErrOff, err)
	}
	return err
}

// ask asks for the page and judges the answer.
func (p *HTTPProbe) ask(ctx context.Context) error {
	conn, release, err := dial(ctx, p.Endpoint)
	if err != nil {
		return err
	}
	defer release()
	if _, err := io.WriteString(conn, p.request()); err != nil {
		return step(ctx, stepRequest, err)
	}
	in := &io.LimitedReader{R: conn, N: maxAnswer}
	resp, err := readAnswer(bufio.NewReader(in), p.method()) //nolint:bodyclose // the body is the connection, which release closes
	switch {
	case err != nil && in.N == 0:
		return fmt.Errorf("answer: head is longer than %d octets", maxAnswer)
	case err != nil:
		return notHTTP(ctx, err)
	}
	if want := p.expected(); !slices.Contains(want, resp.StatusCode) {
		return &statusError{want, resp.StatusCode, clip(resp.Status)}
	}
	if _, named := healthPage(p.Path); named && p.FQDN != "" {
		if err := p.named(ctx, resp.Body); err != nil || p.Body == "" {
			return err
		}
	}
	if p.Body == "" {
		return nil
	}
	return p.body(ctx, resp.Body)
}

// statusError is an answer with another status than the right one.
type statusError struct {
	want []int
	code int
	text string // as the server gave it
}

func (e *statusError) Error() string {
	return fmt.Sprintf("want status %s, got %s", list(e.want), e.text)
}

// request returns the request head. It is written here and not by net/http, so
// that nothing stands in it that the operator does not know of.
func (p *HTTPProbe) request() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", p.method(), p.Path)
	fmt.Fprintf(&b, "Host: %s\r\n", cmp.Or(p.Host, p.Endpoint.Target))
	b.WriteString("User-Agent: casbah-probe\r\nAccept: */*\r\nConnection: close\r\n")
	if m := p.method(); m != http.MethodGet && m != http.MethodHead && m != http.MethodOptions {
		b.WriteString("Content-Length: 0\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// readAnswer reads the head of the final response.
func readAnswer(br *bufio.Reader, method string) (*http.Response, error) {
	for range maxInterim {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, fmt.Errorf("more than %d interim responses", maxInterim)
}

// body looks for the text that the body must contain in what the limit leaves.
func (p *HTTPProbe) body(ctx context.Context, r io.Reader) error {
	got, err := io.ReadAll(r)
	if bytes.Contains(got, []byte(p.Body)) {
		return nil // whatever comes behind it, or does not
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return step(ctx, "body", err)
	}
	return fmt.Errorf("body: want it to contain %q, got %d octets without it", p.Body, len(got))
}

func (p *HTTPProbe) method() string { return cmp.Or(p.Method, http.MethodGet) }

func (p *HTTPProbe) expected() []int {
	if len(p.Expect) == 0 {
		return []int{http.StatusOK}
	}
	return p.Expect
}

// notHTTP tells a server that is silent or gone from one that speaks something
// else.
func notHTTP(ctx context.Context, err error) error {
	_, broken := errors.AsType[net.Error](err)
	if broken || ctx.Err() != nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return step(ctx, stepAnswer, err)
	}
	return fmt.Errorf("answer: not HTTP: %s", clip(err.Error()))
}

// clip cuts a text that the server had a hand in, for the page and the log.
func clip(text string) string {
	const most = 160 // octets
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// list returns statuses as the text "200, 401 or 403".
func list(statuses []int) string {
	var b strings.Builder
	for i, s := range statuses {
		switch {
		case i > 0 && i == len(statuses)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprint(&b, s)
	}
	return b.String()
}
