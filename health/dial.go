package health

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"casbah/balance"
	"casbah/internal/proxyhead"
)

// errUnresolved is the answer of a server whose name has no address.
var errUnresolved = errors.New("the server's name has no address")

// errUnlearned is the answer of a server whose endpoint mapper has not said where
// it listens.
var errUnlearned = errors.New("the server's endpoint mapper has not told its port")

// dial connects to e, with TLS if e has it. The connection breaks when ctx ends.
// Release frees what watches ctx and closes the connection.
func dial(ctx context.Context, e *balance.Endpoint) (conn net.Conn, release func(), err error) {
	return dialTLS(ctx, e, nil)
}

// dialTLS is dial, with TLS by that configuration if e has none.
func dialTLS(ctx context.Context, e *balance.Endpoint, otherwise *tls.Config) (conn net.Conn, release func(), err error) {
	addr, ok := e.Addr()
	switch {
	case !ok && e.Learned:
		return nil, nil, fmt.Errorf("connect: %w", errUnlearned)
	case !ok:
		return nil, nil, fmt.Errorf("connect: %w", errUnresolved)
	}
	var d net.Dialer
	plain, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, nil, step(ctx, "connect", err)
	}
	// A deadline in the past ends every read and write at once.
	stop := context.AfterFunc(ctx, func() { _ = plain.SetDeadline(time.Unix(1, 0)) })
	release = func() {
		stop()
		_ = plain.Close() // nothing was left to send
	}
	if err := sendHeader(plain, e.ProxyProtocol); err != nil {
		release()
		return nil, nil, step(ctx, "PROXY header", err)
	}
	t := cmp.Or(e.TLS, otherwise)
	if t == nil {
		return plain, release, nil
	}
	secure, err := handshake(ctx, plain, t)
	if err != nil {
		release()
		return nil, nil, err
	}
	return secure, release, nil
}

// sendHeader begins a connection as those of clients begin. It is casbah's own,
// which version 2 has a word for; version 1 names its addresses.
func sendHeader(conn net.Conn, version int) error {
	var from, to netip.AddrPort
	switch version {
	case 0:
		return nil
	case 1:
		local, _ := conn.LocalAddr().(*net.TCPAddr)
		remote, _ := conn.RemoteAddr().(*net.TCPAddr)
		from, to = local.AddrPort(), remote.AddrPort()
	}
	_, err := conn.Write(proxyhead.Append(nil, version, from, to))
	return err
}

// handshake begins TLS on a connection that is plain so far.
func handshake(ctx context.Context, plain net.Conn, t *tls.Config) (net.Conn, error) {
	secure := tls.Client(plain, t)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, step(ctx, "TLS", err)
	}
	return secure, nil
}

// step says in which step of a probe err came, in words for the page. It leaves
// out the addresses that package net puts around a cause: the page has them.
func step(ctx context.Context, name string, err error) error {
	if e, ok := errors.AsType[net.Error](err); ctx.Err() != nil || ok && e.Timeout() {
		return fmt.Errorf("%s: %w", name, ErrTimeout)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: the server closed the connection: %w", name, err)
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return fmt.Errorf("%s: %w", name, errno)
	}
	return fmt.Errorf("%s: %w", name, err)
}
