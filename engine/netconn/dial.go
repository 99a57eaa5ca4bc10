package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"casbah/balance"
	"casbah/engine/bounds"
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
	wait := e.ConnectTimeout
	if wait <= 0 {
		wait = bounds.ConnectTime
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	l.dial, l.cancel = dialling, cancel
	c.engine.running.Go(func() { c.runDial(ctx, l) })
}

// cancelDial ends a dial that the core has lost interest in.
func (l *leg) cancelDial() {
	if l.cancel != nil {
		l.cancel()
	}
}

// runDial is the goroutine of an upstream leg: its dial, then its reader.
func (c *conn) runDial(ctx context.Context, l *leg) {
	w, err := c.engine.connect(ctx, l.endpoint)
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
		l.readLoop(&c.engine.hangups)
	}
}

// connect dials e.
func (e *Engine) connect(ctx context.Context, to *balance.Endpoint) (*wire, error) {
	if e.dialer != nil {
		nc, err := e.dialer(ctx, to)
		if err != nil {
			return nil, err
		}
		w := &wire{sock: newSocket(nc)}
		w.sock.parks = w.sock.raw != nil
		return w, nil
	}
	addr, _ := to.Addr()
	// The dialer turns TCP_NODELAY and keep-alives on by itself.
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	w := &wire{sock: newSocket(nc)}
	w.sock.parks = w.sock.raw != nil
	if to.TLS == nil {
		return w, nil
	}
	w.secure(tls.Client, to.TLS)
	if err := e.shake(ctx, w); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("tls: %w", err)
	}
	return w, nil
}

// shake runs the handshake towards a server.
func (e *Engine) shake(ctx context.Context, w *wire) (err error) {
	defer func() {
		if value := recover(); value != nil {
			e.faults.Note(value, e.cfg.OnPanic)
			err = errFault
		}
	}()
	return w.tls.HandshakeContext(ctx)
}
