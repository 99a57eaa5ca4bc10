package e2e

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// Neither side of a channel holds back a short write until the one before it was
// acknowledged (Nagle), which costs a peer that delays its acknowledgements up to 40 ms
// a PDU: casbah's own sockets of both channels say so.
func TestChannelsHoldNothingBack(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		o := newTwoChannels(t, m)
		for name, w := range map[string]*wire{
			"client OUT": o.out, "client IN": o.in, "server OUT": o.outServer, "server IN": o.inServer,
		} {
			fd, ok := peerOf(w)
			if !ok {
				t.Fatalf("%s: casbah's end was not found in this process", name)
			}
			on, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
			if err != nil || on == 0 {
				t.Errorf("%s: TCP_NODELAY is %d, %v; want it on", name, on, err)
			}
		}
	})
}

// peerOf returns the socket at the other end of w, which is in this process.
func peerOf(w *wire) (fd int, ok bool) {
	local, remote := addrPort(w.LocalAddr()), addrPort(w.RemoteAddr())
	for fd := range 1 << 16 {
		here, err := syscall.Getsockname(fd)
		if err != nil {
			continue
		}
		there, err := syscall.Getpeername(fd)
		if err == nil && sockAddr(here) == remote && sockAddr(there) == local {
			return fd, true
		}
	}
	return 0, false
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		at := tcp.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return netip.AddrPort{}
}

func sockAddr(a syscall.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	default:
		return netip.AddrPort{}
	}
}
