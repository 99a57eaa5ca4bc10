package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
)

// conn is one connection that a CAS accepted. The identity that NTLM gives
// belongs to it, and faults act on its octets. What it reads and writes is plain
// text, over TLS too.
type conn struct {
	net.Conn                // plain, or TLS over raw
	raw      net.Conn       // as accepted
	number   uint64         // counted from 1 on each CAS
	secure   bool           // TLS
	identity windowsSession // used by the handler alone, and handlers of one connection are serial

	phrase atomic.Pointer[phrase] // for the next status line, or nil
	cut    atomic.Int64           // octets that may still be written before a reset; -1: no limit
}

// phrase is a status line that net/http does not write by itself.
type phrase struct {
	code   int
	reason string
}

type connKey struct{}

// withConn puts the connection into the context of its requests.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns the connection that ctx was made for.
func connOf(ctx context.Context) *conn {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok {
		panic("BUG: a request without its connection")
	}
	return c
}

func newConn(raw net.Conn, number uint64, t *tls.Config) *conn {
	c := &conn{Conn: raw, raw: raw, number: number}
	if t != nil {
		c.Conn, c.secure = tls.Server(raw, t), true
	}
	c.cut.Store(-1)
	return c
}

// Write writes p, with the status line and up to the octet that were ordered.
func (c *conn) Write(p []byte) (int, error) {
	out := p
	if want := c.phrase.Load(); want != nil {
		if rewritten, ok := want.apply(p); ok {
			c.phrase.Store(nil)
			out = rewritten
		}
	}
	if err := c.writeToCut(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writeToCut writes p, or what of it may still leave before the reset.
func (c *conn) writeToCut(p []byte) error {
	left := c.cut.Load()
	if left < 0 || left > int64(len(p)) {
		if left > 0 {
			c.cut.Add(-int64(len(p)))
		}
		_, err := c.Conn.Write(p)
		return err
	}
	_, err := c.Conn.Write(p[:left])
	c.reset()
	if err == nil {
		err = fmt.Errorf("lab: reset after %d octets: %w", left, net.ErrClosed)
	}
	return err
}

// apply returns p with the reason phrase, if p starts with the status line that
// it is for and not with that of an interim response.
func (ph *phrase) apply(p []byte) ([]byte, bool) {
	const version = len("HTTP/1.1 ")
	line, rest, ok := bytes.Cut(p, []byte("\r\n"))
	if !ok || !bytes.HasPrefix(line, []byte("HTTP/1.")) || len(line) < version+3 {
		return nil, false
	}
	if string(line[version:version+3]) != fmt.Sprint(ph.code) {
		return nil, false
	}
	out := fmt.Appendf(nil, "%s%d %s\r\n", line[:version], ph.code, ph.reason)
	return append(out, rest...), true
}

// reset closes the connection with a RST, as a process that dies does.
func (c *conn) reset() {
	if t, ok := c.raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // without it the client sees a FIN, which is all that is lost
	}
	_ = c.raw.Close()
}
