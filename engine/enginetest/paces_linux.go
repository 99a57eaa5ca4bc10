package enginetest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"casbah/engine"
)

// moveUnpaced moves more than a mebibyte to a near peer, which from there on is
// not paced any more, whatever the system has its sockets begin with.
func moveUnpaced(t *trial) {
	goOn := make(chan struct{})
	up := Upstream(t, false, func(nc net.Conn) {
		_, _ = io.ReadFull(nc, make([]byte, 1))
		<-goOn
		_, _ = nc.Write(randomBody(2 << 20))
		Discard(nc)
	})
	s := t.start(engine.Config{}, &engine.Listener{New: Relay(up, true)})
	nc := Dial(t, s.at)
	Send(t, nc, "?")
	fd := socketOf(t, s.at, netip.MustParseAddrPort(nc.LocalAddr().String()))
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "bbr"); err != nil {
		t.Skipf("this system has no BBR for this process: %v", err)
	}
	close(goOn)
	if _, err := io.CopyN(io.Discard, nc, 2<<20); err != nil {
		t.Fatal(err)
	}
	control, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	if err != nil || control != "reno" {
		t.Errorf("congestion control %q, %v behind 2 MiB to loopback; want reno", control, err)
	}
}

// socketOf returns the descriptor of this process's end of a connection.
func socketOf(t *trial, local, remote netip.AddrPort) int {
	t.Helper()
	find := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range list {
			fd, err := strconv.Atoi(entry.Name())
			if err == nil && named(unix.Getsockname, fd) == local && named(unix.Getpeername, fd) == remote {
				return fd
			}
		}
		return 0
	}
	Becomes(t, "sockets of "+remote.String(), func() int { return min(find(), 1) }, 1)
	return find()
}

// named returns an address of fd, a socket of IPv4; not valid if it has none.
func named(name func(int) (unix.Sockaddr, error), fd int) netip.AddrPort {
	sa, err := name(fd)
	in, ok := sa.(*unix.SockaddrInet4)
	if err != nil || !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
}
