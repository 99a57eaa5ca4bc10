package datagram

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// controlSize is room for what the system says of a datagram: the address that
// was called, in either family.
const controlSize = 64

// listenUDP opens a socket. One that has every address is told by the system
// which of them a client has called; that of IPv6 has those of IPv4 as well, as
// with TCP.
func listenUDP(ctx context.Context, at netip.AddrPort) (*net.UDPConn, error) {
	network, option := "udp6", setPacketInfo6
	switch {
	case at.Addr().Is4():
		network, option = "udp4", setPacketInfo4
	case at.Addr().IsUnspecified():
		network = "udp"
	}
	var conf net.ListenConfig
	if at.Addr().IsUnspecified() {
		conf.Control = func(_, _ string, c syscall.RawConn) error {
			var failed error
			err := c.Control(func(fd uintptr) { failed = option(int(fd)) })
			return errors.Join(err, failed)
		}
	}
	pc, err := conf.ListenPacket(ctx, network, at.String())
	if err != nil {
		return nil, err
	}
	conn, _ := pc.(*net.UDPConn)
	return conn, nil
}

func setPacketInfo4(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1) }

func setPacketInfo6(fd int) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
}

// called returns the address that a datagram with that control data came to; zero
// where the socket does not ask for it.
func called(control []byte) netip.Addr {
	for len(control) >= unix.CmsgLen(0) {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		switch {
		case err != nil:
			return netip.Addr{}
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(data[4:])) // ipi_spec_dst, which an answer to a broadcast comes from, too
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(data)).Unmap()
		}
		control = rest
	}
	return netip.Addr{}
}

// sender sends datagrams of one flow on a socket. It never waits.
type sender struct {
	raw     syscall.RawConn
	attempt func(fd uintptr) bool
	to      unix.Sockaddr // nil: the socket is connected
	control []byte        // says which address they come from, where the socket has several

	// Of one send: what attempt works on.
	p   []byte
	err error
}

func (s *sender) init(raw syscall.RawConn) {
	s.raw = raw
	s.attempt = s.try
}

// address makes k's client the receiver, and the address that it called the
// sender.
func (s *sender) address(k key, six bool) {
	addr, port := k.client.Addr(), int(k.client.Port())
	if !six {
		s.to = &unix.SockaddrInet4{Port: port, Addr: addr.Unmap().As4()}
	} else {
		s.to = &unix.SockaddrInet6{Port: port, Addr: addr.As16(), ZoneId: zoneID(addr.Zone())}
	}
	switch {
	case !k.called.IsValid():
	case six:
		s.control = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: k.called.As16(), Ifindex: zoneID(addr.Zone())})
	default:
		s.control = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: k.called.As4()})
	}
}

// zoneID returns the number of an interface; 0 where there is none.
func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

// send sends p, or says why not.
func (s *sender) send(p []byte) error {
	s.p = p
	err := s.raw.Write(s.attempt)
	s.p = nil
	if err != nil {
		return err
	}
	return s.err
}

func (s *sender) try(fd uintptr) bool {
	for {
		_, s.err = unix.SendmsgN(int(fd), s.p, s.control, s.to, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if s.err != unix.EINTR { //nolint:errorlint // a system call returns it bare
			return true
		}
	}
}

// receiver reads datagrams from a connected socket. It takes a buffer only when
// there is one to read.
type receiver struct {
	raw     syscall.RawConn
	attempt func(fd uintptr) bool

	// Of one read: what attempt works on.
	b   *buffer
	n   int
	err error
}

func (r *receiver) init(raw syscall.RawConn) {
	r.raw = raw
	r.attempt = r.try
}

// next waits for a datagram and returns it in a buffer, which the caller gives
// back.
func (r *receiver) next() (b *buffer, n int, err error) {
	err = r.raw.Read(r.attempt)
	b, r.b = r.b, nil
	if err != nil {
		return nil, 0, err
	}
	return b, r.n, r.err
}

// try makes one attempt, and reports whether it is over: false waits for the
// socket to become readable.
func (r *receiver) try(fd uintptr) bool {
	b := getBuffer()
	for {
		r.n, r.err = unix.Read(int(fd), b[:])
		if r.err != unix.EINTR { //nolint:errorlint // a system call returns it bare
			break
		}
	}
	if r.err != nil {
		buffers.Put(b)
		return r.err != unix.EAGAIN //nolint:errorlint // a system call returns it bare
	}
	r.b = b
	return true
}

// unreachable reports whether an error of a connected socket says that nobody
// listens at its other end, or that there is no way to it.
func unreachable(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH) ||
		errors.Is(err, unix.EHOSTDOWN) || errors.Is(err, unix.ENETDOWN)
}

// shortage reports whether the system has no descriptor, port or memory left.
func shortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.EAGAIN) ||
		errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// passing reports whether an error was of an earlier datagram and leaves the
// socket as good as before: one was too long for a network on its way (RFC 1191),
// which the system bears in mind from then on.
func passing(err error) bool { return errors.Is(err, unix.EMSGSIZE) }
