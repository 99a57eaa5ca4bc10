package datagram

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"casbah/engine"
)

// Socket is an open address of a VIP.
type Socket struct {
	engine *Engine
	conn   *net.UDPConn
	raw    syscall.RawConn
	at     netip.AddrPort
	six    bool // an IPv6 socket, be it for IPv4 too

	// Guarded by engine.mu.
	ln      *Listener // nil before Serve
	retired bool      // takes no new flows
	flows   int
}

// Listen opens an address; datagrams wait in the system until Serve is called.
// Flows that go on at that address behind a Close make room.
func (e *Engine) Listen(ctx context.Context, at netip.AddrPort) (*Socket, error) {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	conn, err := listenUDP(ctx, at)
	if errors.Is(err, syscall.EADDRINUSE) && e.endRetired(at) {
		conn, err = listenUDP(ctx, at)
	}
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	s := &Socket{engine: e, conn: conn, raw: raw, six: at.Addr().Is6()}
	bound, _ := conn.LocalAddr().(*net.UDPAddr)
	s.at = netip.AddrPortFrom(at.Addr(), bound.AddrPort().Port())
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sockets = append(e.sockets, s)
	if !e.sweeping {
		e.sweeping = true
		e.background(e.sweep)
	}
	return s, nil
}

// endRetired ends the flows of sockets that were closed and are in the way of at.
func (e *Engine) endRetired(at netip.AddrPort) bool {
	e.mu.Lock()
	var inWay []*Socket
	for _, s := range e.sockets {
		same := s.at.Addr() == at.Addr() || s.at.Addr().IsUnspecified() || at.Addr().IsUnspecified()
		if s.retired && same && s.at.Port() == at.Port() {
			inWay = append(inWay, s)
		}
	}
	e.mu.Unlock()
	for _, s := range inWay {
		s.kill()
	}
	return len(inWay) > 0
}

// Addr returns the address, its port chosen.
func (s *Socket) Addr() netip.AddrPort { return s.at }

// Close lets no new flow begin. Those that are open go on, and the socket is
// closed with the last one.
func (s *Socket) Close() {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	s.retired = true
	if s.flows == 0 {
		e.forget(s)
	}
}

// kill ends all flows of a closed socket.
func (s *Socket) kill() {
	s.engine.mu.Lock()
	ln := s.ln
	s.engine.mu.Unlock()
	if ln == nil {
		return
	}
	now := s.engine.clock()
	for _, f := range ln.table.of(s) {
		if ln.table.remove(f) {
			s.engine.finish(now, f, engine.Killed)
		}
	}
}

// The wait after an error of the system.
const (
	readWaitMin = 5 * time.Millisecond
	readWaitMax = time.Second
)

// Serve takes datagrams for ln until the socket is closed.
func (s *Socket) Serve(ln *Listener) error {
	s.engine.mu.Lock()
	s.ln = ln
	s.engine.mu.Unlock()
	buf, control := make([]byte, Most), make([]byte, controlSize)
	wait := readWaitMin
	for {
		n, m, _, from, err := s.conn.ReadMsgUDPAddrPort(buf, control)
		switch {
		case err == nil:
			wait = readWaitMin
			k := key{socket: s, client: from, called: called(control[:m])}
			s.take(s.engine.clock(), k, buf[:n])
		case errors.Is(err, net.ErrClosed):
			return nil
		case shortage(err):
			ln.Refused(engine.Descriptors)
			time.Sleep(wait)
			wait = min(2*wait, readWaitMax)
		case !passing(err):
			return err
		}
	}
}

// take gives a datagram to its flow, which may begin with it.
func (s *Socket) take(now int64, k key, p []byte) {
	f := s.ln.table.find(k)
	if f == nil {
		if f = s.begin(now, k); f == nil {
			return
		}
	}
	f.forward(now, p)
}

// begin lets a flow begin, where there is room for it. A flow that nobody has
// answered yet makes room.
func (s *Socket) begin(now int64, k key) *flow {
	e, ln := s.engine, s.ln
	e.evict(now, ln, e.mostUnanswered()-1)
	source := k.client.Addr().Unmap()
	reason := e.admit(s, source)
	if (reason == engine.EngineFull || reason == engine.ListenerFull) && e.evict(now, ln, 0) {
		reason = e.admit(s, source)
	}
	if reason != 0 {
		ln.Refused(reason)
		return nil
	}
	f := &flow{key: k, ln: ln}
	f.reply.init(s.raw)
	f.reply.address(k, s.six)
	next := f.begin(now, engine.Conn{
		Remote: netip.AddrPortFrom(source, k.client.Port()),
		Local:  netip.AddrPortFrom(s.calledBy(k), s.at.Port()),
	})
	if next == 0 {
		e.finish(now, f, engine.Expired)
		return nil
	}
	ln.table.add(f, next)
	if e.left(s) {
		// Kill was called in between and has not seen the flow.
		if ln.table.remove(f) {
			e.finish(now, f, engine.Killed)
		}
		return nil
	}
	return f
}

// calledBy returns the address that the client of k called.
func (s *Socket) calledBy(k key) netip.Addr {
	if k.called.IsValid() {
		return k.called
	}
	return s.at.Addr()
}

// mostUnanswered is how many flows of one listener may wait for their first
// answer: a quarter of all, so that the other listeners have room in any flood.
func (e *Engine) mostUnanswered() int {
	if e.conf.MaxFlows > 0 {
		return max(1, min(maxUnanswered, e.conf.MaxFlows/4))
	}
	return maxUnanswered
}

// evict ends the oldest flow of ln that nobody has answered, if more than keep
// wait.
func (e *Engine) evict(now int64, ln *Listener, keep int) bool {
	f := ln.table.evict(keep)
	if f == nil {
		return false
	}
	e.finish(now, f, engine.Evicted)
	return true
}
