//go:build linux

package reactor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"casbah/engine"
)

// backlog is how many connections may wait to be accepted, as far as
// net.core.somaxconn allows.
const backlog = 16 << 10

// listening is a Socket: a listening socket for each loop, all at one address
// (SO_REUSEPORT), among which the kernel spreads connections.
type listening struct {
	engine *Engine
	addr   netip.AddrPort
	fds    []int // one for each loop

	close sync.Once
	done  chan error // what ends Serve

	mu     sync.Mutex // guards the fields below
	served bool
	closed bool
}

// Listen implements engine.Engine.
func (e *Engine) Listen(_ context.Context, at netip.AddrPort) (engine.Socket, error) {
	s := &listening{engine: e, done: make(chan error, 1)}
	addr, err := reserveAddr(at, len(e.loops) > 1)
	if err != nil {
		return nil, err
	}
	for range e.loops {
		fd, err := listen(addr, len(e.loops) > 1)
		if err != nil {
			s.closeAll()
			return nil, err
		}
		s.fds = append(s.fds, fd)
		addr = localAddr(fd)
	}
	s.addr = addr
	return s, nil
}

// reserveAddr finds out whether an address is free, where several sockets are
// going to share it: sharing would hide that another process has it.
func reserveAddr(at netip.AddrPort, shared bool) (netip.AddrPort, error) {
	if !shared || at.Port() == 0 {
		return at, nil
	}
	fd, err := listen(at, false)
	if err != nil {
		return at, err
	}
	closeFD(fd)
	return at, nil
}

// listen opens one listening socket. What it sets, accepted ones inherit.
func listen(at netip.AddrPort, shared bool) (int, error) {
	fail := func(call string, err error) (int, error) {
		return -1, fmt.Errorf("listen tcp %s: %w", at, os.NewSyscallError(call, err))
	}
	fd, errno := socket(at.Addr())
	if errno != 0 {
		return fail("socket", errno)
	}
	setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	setOption(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if shared {
		setOption(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	if err := unix.Bind(fd, sockaddr(at)); err != nil {
		closeFD(fd)
		return fail("bind", err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		closeFD(fd)
		return fail("listen", err)
	}
	return fd, nil
}

func sockaddr(at netip.AddrPort) unix.Sockaddr {
	if a := at.Addr(); a.Is4() {
		return &unix.SockaddrInet4{Port: int(at.Port()), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
}

// Addr implements engine.Socket.
func (s *listening) Addr() netip.AddrPort { return s.addr }

// Serve implements engine.Socket.
func (s *listening) Serve(ln *engine.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.served = true
	for i, lp := range s.engine.loops {
		a := &acceptor{fd: s.fds[i], local: s.addr, any: s.addr.Addr().IsUnspecified(), ln: ln, fail: s.fail}
		lp.post(func() {
			lp.acceptors[a.fd] = a
			if errno := watch(lp.epfd, a.fd, unix.EPOLLIN, 0); errno != 0 {
				s.fail(errno)
			}
		})
	}
	s.mu.Unlock()
	return <-s.done
}

// fail ends Serve with an error.
func (s *listening) fail(err error) {
	select {
	case s.done <- os.NewSyscallError("accept", err):
	default: // another loop has told
	}
}

// Close implements engine.Socket. Connections that the kernel has taken before
// are accepted first: they would be reset.
func (s *listening) Close() {
	s.close.Do(func() {
		s.mu.Lock()
		s.closed = true
		served := s.served
		s.mu.Unlock()
		if !served {
			s.closeAll()
			return
		}
		var closing sync.WaitGroup
		for i, lp := range s.engine.loops {
			closing.Add(1)
			done := lp.post(func() {
				defer closing.Done()
				lp.unlisten(s.fds[i])
			})
			if !done {
				closeFD(s.fds[i])
				closing.Done()
			}
		}
		closing.Wait()
		select {
		case s.done <- nil:
		default:
		}
	})
}

// unlisten accepts what waits at a listening socket and closes it.
func (lp *loop) unlisten(fd int) {
	if a := lp.acceptors[fd]; a != nil {
		for i, more := 0, true; more && i < backlog; i++ {
			lp.guard(func() { more = lp.acceptOne(a) }) // one whose core panics ends alone
		}
		delete(lp.acceptors, fd)
	}
	closeFD(fd)
}

func (s *listening) closeAll() {
	for _, fd := range s.fds {
		closeFD(fd)
	}
}
