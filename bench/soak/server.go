package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// serverConn is a connection to one of the servers.
type serverConn struct {
	net.Conn
	farm  *farm
	in    *bufio.Reader
	owner uint64 // client connection that alone may use it; 0: any

	busy, served bool // guarded by the farm's mutex
}

// errFault is the end of a connection as the plan has it.
var errFault = errors.New("the plan has the server fail here")

// answer answers one request and reports whether the connection is kept.
func (c *serverConn) answer(p *plan, req *http.Request) (keep bool) {
	if !c.farm.owns(c, p) {
		c.farm.ledger.breach("%v of client connection %d came on the server connection of client connection %d", p, p.client, c.owner)
		return false
	}
	if p.method == http.MethodPost {
		if _, twice := c.farm.begun.LoadOrStore(p.id, true); twice {
			c.farm.ledger.breach("%v was sent to a server twice", p)
			return false
		}
	}
	if err := c.exchange(p, req.Body); err != nil {
		return false
	}
	switch {
	case p.fault == faultAfter || p.frame == "end":
		return false
	case p.half:
		c.half(p)
		return false
	}
	return true
}

// exchange reads the request's body and writes the response.
func (c *serverConn) exchange(p *plan, body io.Reader) error {
	if p.expect {
		if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return err
		}
	}
	switch {
	case p.echo:
		if err := c.head(p); err != nil {
			return err
		}
		out := c.body(p)
		if err := c.verify(p, body, out.send); err != nil {
			return err
		}
		return out.end()
	case p.early:
		read := make(chan error, 1)
		go func() { read <- c.verify(p, body, nil) }()
		err := c.respond(p)
		if err != nil {
			_ = c.Close() // so that the reader ends
		}
		return errors.Join(err, <-read)
	}
	if err := c.verify(p, body, nil); err != nil {
		return err
	}
	return c.respond(p)
}

// verify reads a request's body and compares it. Each piece is handed to then.
func (c *serverConn) verify(p *plan, body io.Reader, then func([]byte) error) error {
	want, n := newPattern(p.id, upward), int64(0)
	buf := make([]byte, 32<<10)
	for {
		k, err := body.Read(buf)
		if diff := want.check(buf[:k]); diff != nil {
			c.farm.ledger.breach("%v: the request's body: %v", p, diff)
			return errFault
		}
		n += int64(k)
		c.farm.ledger.octets.Add(int64(k))
		if then != nil && k > 0 {
			if err := then(buf[:k]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err // the client left amid the body, and the server learns it
		}
	}
	if n != p.up {
		c.farm.ledger.breach("%v: the request's body ended after %d octets, as if it were whole", p, n)
		return errFault
	}
	return nil
}

// respond writes the response, or of it what the plan allows.
func (c *serverConn) respond(p *plan) error {
	if p.wait > 0 {
		time.Sleep(p.wait)
	}
	if !p.clean() && p.at == beforeHead {
		return c.fail(p)
	}
	if err := c.head(p); err != nil {
		return err
	}
	if p.method == http.MethodHead {
		return nil
	}
	out, text, left := c.body(p), p.answer(), p.down
	if !p.clean() {
		left = p.at
	}
	rng := rand.New(rand.NewPCG(p.id, 0)) //nolint:gosec // no secret
	buf := make([]byte, 1+rng.IntN(64<<10))
	for left > 0 {
		n := min(left, int64(1+rng.IntN(len(buf))))
		text.fill(buf[:n])
		if err := out.send(buf[:n]); err != nil {
			return err
		}
		left -= n
	}
	if !p.clean() {
		return c.fail(p)
	}
	return out.end()
}

// head writes the response's head, and the 103 before it.
func (c *serverConn) head(p *plan) error {
	text := ""
	if p.hints {
		text = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
	}
	text += fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Soak-Id: %d\r\n", p.id)
	switch p.frame {
	case "length":
		text += fmt.Sprintf("Content-Length: %d\r\n", p.answered())
	case "chunked":
		text += "Transfer-Encoding: chunked\r\n"
	}
	if !p.keeps() {
		text += "Connection: close\r\n"
	}
	_, err := io.WriteString(c, text+"\r\n")
	return err
}

// fail ends the connection as the plan has it.
func (c *serverConn) fail(p *plan) error {
	if p.fault == faultReset {
		_ = c.Conn.(*net.TCPConn).SetLinger(0) // FIN instead of RST, if it is refused
	}
	_ = c.Close()
	return errFault
}

// half closes the server's half and waits until casbah closes its own.
func (c *serverConn) half(p *plan) {
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if n, err := io.Copy(io.Discard, c.in); errors.Is(err, errTimeout) {
		c.farm.ledger.breach("%v: casbah has kept the connection for %v after the server closed its half", p, patience)
	} else if n > 0 {
		c.farm.ledger.breach("%v: casbah sent %d octets after a response with Connection: close", p, n)
	}
}

// out is a response's body on its way.
type out struct {
	c       *serverConn
	chunked bool
	buf     []byte
}

func (c *serverConn) body(p *plan) *out { return &out{c: c, chunked: p.frame == "chunked"} }

// send writes a piece of the body; as a chunk, if there are chunks.
func (o *out) send(b []byte) error {
	if o.chunked {
		o.buf = append(fmt.Appendf(o.buf[:0], "%x\r\n", len(b)), b...)
		b = append(o.buf, "\r\n"...)
		o.buf = b
	}
	_, err := o.c.Write(b)
	return err
}

// end writes what tells that the body is whole.
func (o *out) end() error {
	if !o.chunked {
		return nil
	}
	_, err := io.WriteString(o.c, "0\r\n\r\n")
	return err
}
