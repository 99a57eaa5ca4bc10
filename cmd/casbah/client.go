package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// defaultAdmin is where a command looks for a running casbah that has no socket at
// one of socketPlaces: the address of [admin] listen unless that is set.
const defaultAdmin = "http://127.0.0.1:8404"

// The bounds of an answer.
const (
	dialTime   = 10 * time.Second // to reach the admin listener
	answerWait = 2 * time.Minute  // for the head of an answer: a reload looks up names
	answerMax  = 64 << 20         // octets of an answer that is held whole
	lineMax    = 1 << 20          // octets of one line of a stream
)

// client talks to the admin listener of a running casbah.
type client struct {
	admin, tokenFile string
	http             http.Client
}

// newClient returns a client, whose address and token are flags of the command.
func newClient(fs *flag.FlagSet) *client {
	c := new(client)
	c.http = http.Client{
		// No proxy and no redirection: the token goes to the address that was given.
		Transport: &http.Transport{
			DialContext:           c.dial,
			TLSHandshakeTimeout:   dialTime,
			ResponseHeaderTimeout: answerWait,
			DisableKeepAlives:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	fs.StringVar(&c.admin, "admin", "", "`URL` of the admin listener of the casbah that runs, or unix:PATH of its socket; unless given, its socket in /run/casbah or /var/lib/casbah, or else "+defaultAdmin)
	fs.StringVar(&c.tokenFile, "token-file", "", "`file` with the token of its [admin] token_file; changes need it, and reads off loopback; not for a socket")
	return c
}

// get reads path, such as "/api/v1/status", into what into points to.
func (c *client) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, nil, into)
}

// do sends a request. Body, unless nil, goes as JSON; the answer is decoded into
// what into points to, unless that is nil.
func (c *client) do(ctx context.Context, method, path string, body, into any) error {
	answer, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer, answerMax)).Decode(into); err != nil {
		return c.garbled(err)
	}
	return nil
}

// lines sends a request whose answer is a stream of lines, and calls each for
// every one of them, which it may not keep.
func (c *client) lines(ctx context.Context, method, path string, body any, each func(line []byte) error) error {
	answer, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	in := bufio.NewScanner(answer)
	in.Buffer(nil, lineMax)
	for in.Scan() {
		if err := each(in.Bytes()); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return c.garbled(err)
	}
	return nil
}

// open sends a request and returns the body of its answer, which the caller
// closes. Any answer but one of success is an error.
func (c *client) open(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreached(err)
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, c.refused(resp)
}

func (c *client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	if c.admin == "" {
		c.admin = c.find(ctx)
	}
	root := strings.TrimSuffix(c.admin, "/")
	if strings.HasPrefix(c.admin, socketScheme) {
		root = "http://localhost"
	} else if base, err := url.Parse(c.admin); err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("-admin: want a URL such as %s, or %s and the path of a socket, got %q", defaultAdmin, socketScheme, c.admin)
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, root+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.tokenFile != "" {
		token, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("-token-file: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	}
	return req, nil
}

// socketScheme begins an -admin that is the path of a socket.
const socketScheme = "unix:"

// dial connects to the socket, or to the address of the URL.
func (c *client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if path, ok := strings.CutPrefix(c.admin, socketScheme); ok {
		network, address = "unix", path
	}
	d := net.Dialer{Timeout: dialTime}
	return d.DialContext(ctx, network, address)
}

// find returns the first of socketPlaces where somebody answers, or else defaultAdmin.
func (c *client) find(ctx context.Context) string {
	for _, path := range socketPlaces {
		d := net.Dialer{Timeout: dialTime}
		if conn, err := d.DialContext(ctx, "unix", path); err == nil {
			_ = conn.Close() // it has told what we wanted to know
			return socketScheme + path
		}
	}
	return defaultAdmin
}

// unreached says what to look at when nothing answers.
func (c *client) unreached(err error) error {
	if cause := (*url.Error)(nil); errors.As(err, &cause) {
		err = cause.Err // the URL stands in our own text
	}
	return fmt.Errorf("no answer from %s: %w; is casbah running, and is that its [admin] listen? -admin names another", c.admin, err)
}

// garbled says that something else answers, or that the answer broke off.
func (c *client) garbled(err error) error {
	return fmt.Errorf("the answer of %s cannot be read: %w", c.admin, err)
}

// refusal is the answer no of a running casbah.
type refusal struct {
	status int
	reason string // as the server gives it
	hint   string // what to do about it; may be empty
}

func (r *refusal) Error() string {
	text := "refused: " + r.reason
	if r.hint != "" {
		text += "; " + r.hint
	}
	return text
}

// refused returns what the server says against the request.
func (c *client) refused(resp *http.Response) error {
	r := &refusal{status: resp.StatusCode}
	text, err := io.ReadAll(io.LimitReader(resp.Body, lineMax))
	if err != nil {
		return c.garbled(err)
	}
	var said struct {
		Error string `json:"error"`
	}
	switch err := json.Unmarshal(text, &said); {
	case err == nil && said.Error != "" && resp.StatusCode == http.StatusInternalServerError:
		return errors.New(printableLines(said.Error)) // what was asked for is done, and not refused
	case err == nil && said.Error != "":
		r.reason = printableLines(said.Error)
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed:
		return fmt.Errorf("%s has no %s %s: is that the admin listener of a casbah of this version?", c.admin, resp.Request.Method, resp.Request.URL.Path)
	default:
		r.reason = strings.TrimSpace(resp.Status + " " + firstLine(text))
	}
	if resp.StatusCode == http.StatusUnauthorized {
		r.hint = "-token-file names a file that holds it; the socket of casbah needs none"
		if c.tokenFile != "" {
			r.hint = "what " + c.tokenFile + " holds is another one"
		}
	}
	return r
}

// printableLines is printable for a text of several lines, such as the mistakes
// of a file.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// firstLine returns the beginning of what a stranger answers.
func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	return printable(string(line[:min(len(line), 200)]))
}
