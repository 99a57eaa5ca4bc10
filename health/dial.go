package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"casbah/balance"
)

// errUnresolved is the answer of a server whose name has no address.
var errUnresolved = errors.New("the server's name has no address")

// dial connects to e, with TLS if e has it. The connection breaks when ctx ends.
// Release frees what watches ctx and closes the connection.
func dial(ctx context.Context, e *balance.Endpoint) (conn net.Conn, release func(), err error) {
	addr, ok := e.Addr()
	if !ok {
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
	if e.TLS == nil {
		return plain, release, nil
	}
	secure := tls.Client(plain, e.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		release()
		return nil, nil, step(ctx, "TLS", err)
	}
	return secure, release, nil
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
