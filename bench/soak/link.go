package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strconv"
	"time"
)

// errTimeout is what a deadline of a connection causes.
var errTimeout = os.ErrDeadlineExceeded

// link is a client connection to casbah.
type link struct {
	net.Conn               // TCP, or TLS over it
	tcp      *net.TCPConn  // what is below
	in       *bufio.Reader // of Conn
	ledger   *ledger
	id       uint64
	mode     string // plain or tls, and what the client does
	answered int    // requests, right
	over     bool   // an answer has told that no other follows
}

// dial connects from one of many addresses, so that ports do not run out.
func dial(ctx context.Context, rng *rand.Rand, address string) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 77, 1, byte(1+rng.IntN(250)))}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil //nolint:forcetypeassert // what dialling tcp makes
}

// newLink returns a client connection over tcp; conf is nil in clear.
func newLink(ctx context.Context, l *ledger, tcp *net.TCPConn, conf *tls.Config) (*link, error) {
	k := &link{Conn: tcp, tcp: tcp, ledger: l, id: l.next(), mode: "plain"}
	_ = tcp.SetDeadline(time.Now().Add(patience))
	if conf != nil {
		c := tls.Client(tcp, conf)
		if err := c.HandshakeContext(ctx); err != nil {
			_ = tcp.Close()
			return nil, err
		}
		k.Conn, k.mode = c, "tls"
	}
	k.in = bufio.NewReaderSize(k.Conn, 8<<10)
	return k, nil
}

// reset ends the connection with a RST, without a word of TLS.
func (k *link) reset() {
	_ = k.tcp.SetLinger(0)
	_ = k.tcp.Close()
}

// closeWrite closes the client's half.
func (k *link) closeWrite() error {
	if c, ok := k.Conn.(*tls.Conn); ok {
		return c.CloseWrite()
	}
	return k.tcp.CloseWrite()
}

// head returns the head of a request.
func (k *link) head(p *plan) []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: mail.example.test\r\nX-Soak-Client: %d\r\n", p.method, p.target(), k.id)
	if p.expect {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	switch {
	case p.upChunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case p.method == http.MethodPost:
		b = fmt.Appendf(b, "Content-Length: %d\r\n", p.up)
	}
	return append(b, "\r\n"...)
}

// pace is how slowly octets are written or read: in pieces of at most so many,
// with a rest behind each of the first ones.
type pace struct {
	piece int
	rest  time.Duration
	rests int
}

// swift takes large pieces without a rest.
var swift = pace{piece: 64 << 10}

// pause rests, if a rest is left.
func (s *pace) pause() {
	if s.rests > 0 {
		s.rests--
		time.Sleep(s.rest)
	}
}

// write writes b at a pace.
func (k *link) write(b []byte, s *pace) error {
	for len(b) > 0 {
		n := min(len(b), s.piece)
		if _, err := k.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		s.pause()
	}
	return nil
}

// send writes a request's body up to limit octets. A body that is cut there does
// not get its end.
func (k *link) send(p *plan, limit int64, s pace) error {
	if p.method != http.MethodPost {
		return nil
	}
	var to io.Writer = k
	chunks := httputil.NewChunkedWriter(k)
	if p.upChunked {
		to = chunks
	}
	text, buf := newPattern(p.id, upward), make([]byte, min(s.piece, 64<<10))
	for left := min(limit, p.up); left > 0; {
		n := min(left, int64(len(buf)))
		text.fill(buf[:n])
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
		left -= n
		s.pause()
	}
	if !p.upChunked || limit < p.up {
		return nil
	}
	if err := chunks.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(k, "\r\n")
	return err
}

// errCut is the end of a connection or response before the response is whole.
var errCut = errors.New("cut")

// statusError is an answer of casbah's own.
type statusError int

func (e statusError) Error() string { return "status " + strconv.Itoa(int(e)) }

// await reads the answer to p up to limit octets of its body, and checks all of
// it. Nil means that it is right, and whole unless the limit came first.
func (k *link) await(p *plan, limit int64, s pace) error {
	resp, err := k.response(p)
	if err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	defer resp.Body.Close() // the connection tells
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, resp.Body)
		return statusError(resp.StatusCode)
	}
	if got := resp.Header.Get("X-Soak-Id"); got != strconv.FormatUint(p.id, 10) {
		k.ledger.breach("%s %v: the answer is that to request %q", k.mode, p, got)
		return errWrong
	}
	want := p.answered()
	if p.method == http.MethodHead {
		want = 0
	}
	n, err := k.compare(p, resp.Body, limit, s)
	switch {
	case errors.Is(err, errWrong):
		return err
	case err != nil:
		return fmt.Errorf("%w after %d octets of the body: %w", errCut, n, err)
	case n > want || n < min(want, limit):
		k.ledger.breach("%s %v: the answer's body ended after %d octets, as if it were whole", k.mode, p, n)
		return errWrong
	}
	k.ledger.requests.Add(1)
	k.answered++
	return nil
}

// errWrong is an answer that has been taken down as a breach.
var errWrong = errors.New("wrong")

// response reads the head of the answer, behind any number of 1xx.
func (k *link) response(p *plan) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(k.in, &http.Request{Method: p.method})
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= http.StatusOK {
			k.over = k.over || resp.Close
			return resp, nil
		}
		_ = resp.Body.Close()
	}
}

// proceed waits for 100 Continue.
func (k *link) proceed() error {
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusContinue {
		return statusError(resp.StatusCode)
	}
	return nil
}

// compare reads a body up to limit octets and compares it with what it must be.
func (k *link) compare(p *plan, body io.Reader, limit int64, s pace) (n int64, err error) {
	want, buf := p.answer(), make([]byte, min(s.piece, 64<<10))
	for n < limit {
		got, err := body.Read(buf[:min(int64(len(buf)), limit-n)])
		if diff := want.check(buf[:got]); diff != nil {
			k.ledger.breach("%s %v: the answer's body: %v", k.mode, p, diff)
			return n, errWrong
		}
		n += int64(got)
		k.ledger.octets.Add(int64(got))
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		s.pause()
	}
	return n, nil
}
