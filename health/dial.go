package health

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
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
		return nil, nil, &stepError{stepConnect, errUnlearned}
	case !ok:
		return nil, nil, &stepError{stepConnect, errUnresolved}
	}
	var d net.Dialer
	plain, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, nil, step(ctx, stepConnect, err)
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
	trace := traceOf(ctx)
	trace.note("connected to " + addr.String())
	t := cmp.Or(e.TLS, otherwise)
	if t == nil {
		return trace.over(plain), release, nil
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
	if c, ok := plain.(*tracedConn); ok {
		plain = c.Conn // what passes from now on is not for eyes
	}
	secure := tls.Client(plain, t)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, step(ctx, stepTLS, err)
	}
	trace := traceOf(ctx)
	trace.secured(secure.ConnectionState())
	return trace.over(secure), nil
}
