//go:build linux

package reactor

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"casbah/engine"
	"casbah/engine/bounds"
)

// The measures of accepting.
const (
	turnAccepts = 64   // of one socket in one turn
	muteTime    = 50e6 // a socket whose connections cannot be accepted is left alone for this long, in nanoseconds
)

// acceptor is the part of a Socket that one loop accepts at.
type acceptor struct {
	fd    int
	local netip.AddrPort
	any   bool // bound to no certain address: each connection is asked for its own
	ln    *engine.Listener
	muted bool
	fail  func(error) // ends Serve
}

// acceptSome accepts what has come, some at a time.
func (lp *loop) acceptSome(a *acceptor) {
	for range turnAccepts {
		if !lp.acceptOne(a) {
			return
		}
	}
}

// acceptOne accepts one connection and reports whether there may be more.
func (lp *loop) acceptOne(a *acceptor) bool {
	fd, remote, errno := accept(a.fd)
	switch errno {
	case 0:
		lp.admit(a, fd, remote)
		return true
	case unix.EAGAIN:
		return false
	case unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.ENETDOWN, unix.ENOPROTOOPT, unix.EHOSTDOWN,
		unix.ENONET, unix.EHOSTUNREACH, unix.ENETUNREACH: // of that connection: accept(2)
		return true
	case unix.EMFILE, unix.ENFILE:
		return lp.acceptInReserve(a)
	case unix.ENOBUFS, unix.ENOMEM:
		a.ln.Refused(engine.Descriptors)
		lp.mute(a)
		return false
	default:
		a.fail(errno)
		lp.mute(a) // or it would be reported again and again
		return false
	}
}

// acceptInReserve accepts a connection for which there is no descriptor, in the
// place of one that is kept for this: left in the queue it would wait, and the
// socket would report it again and again.
func (lp *loop) acceptInReserve(a *acceptor) bool {
	if lp.reserve < 0 {
		if lp.openReserve(); lp.reserve < 0 {
			lp.mute(a)
			return false
		}
	}
	closeFD(lp.reserve)
	lp.reserve = -1
	fd, _, errno := accept(a.fd)
	if errno != 0 {
		lp.openReserve()
		if errno != unix.EAGAIN {
			lp.mute(a)
		}
		return false
	}
	a.ln.Refused(engine.Descriptors)
	if a.ln.TLS == nil && len(a.ln.Refuse) > 0 {
		_, _ = write(fd, a.ln.Refuse)
		shutdown(fd)
		_, _ = read(fd, lp.scratch) // or the close would reset it before the answer is taken
	}
	closeFD(fd)
	lp.openReserve()
	return true
}

// openReserve opens the descriptor that is given up when there is no other.
func (lp *loop) openReserve() {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		fd = -1
	}
	lp.reserve = fd
}

// mute leaves a socket alone for a while.
func (lp *loop) mute(a *acceptor) {
	if !a.muted {
		a.muted = true
		rewatch(lp.epfd, a.fd, 0, 0)
		lp.unmute = lp.now + muteTime
	}
}

// unmuteAll listens to all sockets again.
func (lp *loop) unmuteAll() {
	lp.unmute = 0
	for _, a := range lp.acceptors {
		if a.muted {
			a.muted = false
			rewatch(lp.epfd, a.fd, unix.EPOLLIN, 0)
		}
	}
}

// admit lets a connection in, or refuses it.
func (lp *loop) admit(a *acceptor, fd int, remote netip.AddrPort) {
	c := &conn{loop: lp, ln: a.ln, index: -1}
	c.legs = c.first[:1]
	l := c.newLeg(engine.Client, fd)
	l.up = true
	proxied := a.ln.Trusts(remote.Addr())
	if reason := lp.count(c, remote.Addr(), proxied); reason != 0 {
		lp.turnAway(c, l, reason)
		return
	}
	lp.at = c
	lp.add(c)
	if errno := lp.register(l); errno != 0 {
		a.ln.Refused(engine.Descriptors)
		c.detach(l)
		l.shut()
		c.settle()
		return
	}
	local := a.local
	if a.any {
		local = localAddr(fd)
	}
	c.greet(l, engine.Conn{Remote: remote, Local: local}, proxied)
	c.run()
	c.settle()
}

// count counts c in, or says why not. The address of a connection that begins
// with a PROXY header is counted later, once it is known.
func (lp *loop) count(c *conn, from netip.Addr, proxied bool) engine.Reason {
	e := lp.engine
	if lp.draining {
		return engine.Stopping
	}
	if n := e.open.Add(1); e.cfg.Full(n - 1) {
		e.leave()
		return engine.EngineFull
	}
	if !proxied && !c.admitSource(from) {
		e.leave()
		return engine.SourceFull
	}
	if !c.ln.Admit() {
		e.sources.Leave(c.source)
		e.leave()
		return engine.ListenerFull
	}
	c.admitted = true
	return 0
}

// admitSource counts c at the address of its client, unless that has reached
// the limit.
func (c *conn) admitSource(from netip.Addr) bool {
	if !c.loop.engine.sources.Admit(from) {
		return false
	}
	c.source = from
	return true
}

// turnAway refuses a connection that was not counted in. It stands outside of
// all limits until it is closed, so only some are told why.
func (lp *loop) turnAway(c *conn, l *leg, reason engine.Reason) {
	c.ln.Refused(reason)
	if c.ln.TLS != nil || len(c.ln.Refuse) == 0 || lp.refusing >= bounds.Refusals || lp.register(l) != 0 {
		l.shut()
		return
	}
	lp.refusing++
	lp.add(c)
	lp.at = c
	c.detach(l)
	l.refuse()
	c.settle()
}
