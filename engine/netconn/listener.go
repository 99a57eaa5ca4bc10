package netconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"casbah/engine"
)

// listening is an open socket.
type listening struct {
	engine *Engine
	net    net.Listener
}

// Listen implements engine.Engine.
func (e *Engine) Listen(ctx context.Context, at netip.AddrPort) (engine.Socket, error) {
	ln, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	return &listening{e, ln}, nil
}

// Addr implements engine.Socket.
func (s *listening) Addr() netip.AddrPort { return addrPort(s.net.Addr()) }

// Close implements engine.Socket.
func (s *listening) Close() { _ = s.net.Close() }

// Serve implements engine.Socket.
func (s *listening) Serve(ln *engine.Listener) error { return s.engine.serve(s.net, ln) }

// The wait after a shortage of file descriptors or memory.
const (
	acceptWaitMin = 5 * time.Millisecond
	acceptWaitMax = time.Second
)

// serve drives what from accepts.
func (e *Engine) serve(from net.Listener, ln *engine.Listener) error {
	wait := acceptWaitMin
	for {
		nc, err := from.Accept()
		switch {
		case err == nil:
			wait = acceptWaitMin
			keepAlive(nc)
			e.ServeConn(nc, ln)
		case errors.Is(err, net.ErrClosed):
			return nil
		case !transient(err):
			return err
		default:
			ln.Refused(engine.Descriptors)
			time.Sleep(wait)
			wait = min(2*wait, acceptWaitMax)
		}
	}
}

// transient reports whether Accept may work again when others have let go of
// file descriptors or memory, or failed for one connection only.
func transient(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, syscall.ECONNABORTED)
}

// ServeConn drives nc as if a socket of ln had accepted it. It does not block.
func (e *Engine) ServeConn(nc net.Conn, ln *engine.Listener) {
	c := newConn(e, ln, nc)
	if reason := e.admit(c); reason != 0 {
		e.refuse(nc, ln, reason)
		return
	}
	e.running.Go(c.serve)
}
