//go:build linux

package reactor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"casbah/balance"
	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/internal/proxyhead"
	"casbah/internal/tlsbio"
	"casbah/internal/transparent"
)

var (
	// errUnresolved answers the Dial of an endpoint whose name has no address yet.
	errUnresolved = errors.New("reactor: dial: the server's name is not resolved")
	errDialTime   = fmt.Errorf("reactor: dial: no connection in time: %w", os.ErrDeadlineExceeded)
)

// startDial begins to connect l to its endpoint. It is answered after the
// current call, even if it fails at once.
func (l *leg) startDial() {
	addr, ok := l.endpoint.Addr()
	if !ok {
		l.dialFailed(errUnresolved)
		return
	}
	fd, errno := socket(addr.Addr())
	if errno != 0 {
		l.dialFailed(os.NewSyscallError("socket", errno))
		return
	}
	l.fd = int32(fd)
	if l.endpoint.Transparent {
		if err := l.comeFromClient(addr.Addr()); err != nil {
			l.dialFailed(err)
			return
		}
	}
	if v := l.endpoint.ProxyProtocol; v != 0 { // ahead of TLS, too
		l.out = l.loop.buffers.add(nil, l.conn.proxyHeader(v))
	}
	if cfg := l.endpoint.TLS; cfg != nil { // before anything can be sent
		l.secure(tlsbio.Client, cfg, netip.AddrPort{}, addr)
	}
	setOption(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	errno = connect(fd, addr)
	if errno != 0 && errno != unix.EINPROGRESS {
		l.dialFailed(os.NewSyscallError("connect", errno))
		return
	}
	if errno := l.loop.register(l); errno != 0 {
		l.dialFailed(os.NewSyscallError("epoll_ctl", errno))
		return
	}
	l.dial = dialling
	if errno == unix.EINPROGRESS || l.endpoint.TLS != nil {
		l.limit(l.loop.now + int64(connectTime(l.endpoint)))
	}
	if errno == 0 {
		l.connected()
	}
}

// comeFromClient gives l, which connects to a server, the address of its client.
func (l *leg) comeFromClient(server netip.Addr) error {
	client, _ := l.conn.addresses()
	from, err := transparent.From(client.Addr(), server)
	if err != nil {
		return err
	}
	if err := transparent.Allow(int(l.fd), server.Is6()); err != nil {
		return err
	}
	if errno := bind(int(l.fd), from); errno != 0 {
		return os.NewSyscallError("bind", errno)
	}
	return nil
}

// connectTime is how long TCP and TLS towards e may take.
func connectTime(e *balance.Endpoint) time.Duration {
	if e.ConnectTimeout > 0 {
		return e.ConnectTimeout
	}
	return bounds.ConnectTime
}

// proxyHeader returns the header that names the client of c, as it came to us.
func (c *conn) proxyHeader(version int) []byte {
	remote, local := c.addresses()
	return proxyhead.Append(nil, version, remote, local)
}

// addresses returns those of the client of c and what it called; not valid where
// the client has left.
func (c *conn) addresses() (remote, local netip.AddrPort) {
	if c.origin != nil {
		return c.origin.Remote, c.origin.Local
	}
	if l := c.legs[engine.Client]; l != nil {
		return remoteAddr(int(l.fd)), localAddr(int(l.fd))
	}
	return remote, local
}

// connected goes on once TCP is up: with TLS, or the answer to Dial.
func (l *leg) connected() {
	l.up = true
	if l.tls != nil {
		l.shake()
		return
	}
	l.until = 0
	l.dial = dialDone
	l.conn.due = true
	if l.out != nil || l.half {
		l.mark()
	}
}

// tryConnected is the turn of an event on a socket that is being connected.
func (l *leg) tryConnected() {
	c := l.conn
	l.loop.at = c
	if errno := socketError(int(l.fd)); errno != 0 {
		l.dialFailed(os.NewSyscallError("connect", errno))
	} else {
		l.connected()
		l.resume() // a server may speak first
	}
	c.run()
	c.settle()
}

// dialFailed answers Dial by an error, or ends a dial that nobody waits for.
func (l *leg) dialFailed(err error) {
	if l.gone {
		l.shut()
		return
	}
	l.failure = err
	l.dial = dialDone
	l.conn.due = true
}
