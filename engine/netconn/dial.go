package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"casbah/balance"
	"casbah/engine/bounds"
	"casbah/internal/proxyhead"
	"casbah/internal/transparent"
)

// errUnresolved answers the Dial of an endpoint whose name has no address yet.
var errUnresolved = errors.New("netconn: dial: the server's name is not resolved")

// errFault ends the dial, and the connection, whose TLS had a callback that panicked.
var errFault = errors.New("netconn: dial: a callback of TLS panicked")

// startDial begins the dial of l, and the goroutine that is its reader later.
func (c *conn) startDial(l *leg) {
	e := l.endpoint
	if c.engine.dialer == nil {
		if _, ok := e.Addr(); !ok {
			l.dial, l.dialErr, l.reading = dialDone, errUnresolved, false
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTime(l))
	l.dial, l.cancel = dialling, cancel
	c.engine.running.Go(func() { c.runDial(ctx, l) })
}

// connectTime is how long TCP and TLS towards the endpoint of l may take.
func connectTime(l *leg) time.Duration {
	if wait := l.endpoint.ConnectTimeout; wait > 0 {
		return wait
	}
	return bounds.ConnectTime
}

// cancelDial ends a dial that the core has lost interest in.
func (l *leg) cancelDial() {
	if l.cancel != nil {
		l.cancel()
	}
}

// runDial is the goroutine of an upstream leg: its dial, then its reader.
func (c *conn) runDial(ctx context.Context, l *leg) {
	w, err := c.connect(ctx, l.endpoint)
	c.mu.Lock()
	l.cancel()
	c.now = c.engine.clock()
	l.wire = w
	switch {
	case errors.Is(err, errFault):
		c.ruin()
	case l.gone: // closed while it was dialled
		l.shutdown()
	case err != nil:
		l.dial, l.dialErr = dialDone, err
		c.due = true
	default:
		l.dial = dialDone
		c.due = true
		if l.out != nil || l.half {
			c.mark(l)
		}
	}
	if l.wire == nil || l.gone {
		l.reading = false
		c.release(l)
	}
	reads := l.reading
	c.leave()
	if reads {
		l.readLoop(&c.engine.hangups) //nolint:contextcheck // ctx is the dial's
	}
}

// connect dials to, and says there who the client is if the endpoint wants that,
// ahead of TLS.
func (c *conn) connect(ctx context.Context, to *balance.Endpoint) (*wire, error) {
	e := c.engine
	nc, err := e.connectTCP(ctx, to, c.info.Remote.Addr())
	if err != nil {
		return nil, err
	}
	w := &wire{sock: newSocket(nc)}
	w.sock.parks = w.sock.raw != nil
	if v := to.ProxyProtocol; v != 0 {
		until, _ := ctx.Deadline()
		_ = nc.SetWriteDeadline(until)
		if _, err := nc.Write(proxyhead.Append(nil, v, c.info.Remote, c.info.Local)); err != nil {
			_ = nc.Close()
			return nil, err
		}
		_ = nc.SetWriteDeadline(time.Time{})
	}
	if to.TLS == nil || e.dialer != nil {
		return w, nil
	}
	w.secure(tls.Client, to.TLS)
	if err := e.shake(ctx, w); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("tls: %w", err)
	}
	return w, nil
}

// connectTCP dials to for a client.
func (e *Engine) connectTCP(ctx context.Context, to *balance.Endpoint, client netip.Addr) (net.Conn, error) {
	if e.dialer != nil {
		return e.dialer(ctx, to)
	}
	addr, _ := to.Addr()
	d := net.Dialer{KeepAlive: -1} // turns TCP_NODELAY on by itself
	if to.Transparent {
		from, err := transparent.From(client, addr.Addr())
		if err != nil {
			return nil, err
		}
		d.LocalAddr, d.Control = net.TCPAddrFromAddrPort(from), transparent.Control
	}
	nc, err := d.DialContext(ctx, "tcp", addr.String())
	if err == nil {
		keepAlive(nc)
	}
	return nc, err
}

// shake runs a handshake, of which the callbacks of TLS may panic.
func (e *Engine) shake(ctx context.Context, w *wire) (err error) {
	defer func() {
		if value := recover(); value != nil {
			e.faults.Note(value, e.cfg.OnPanic)
			err = errFault
		}
	}()
	return w.tls.HandshakeContext(ctx)
}
