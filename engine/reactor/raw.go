//go:build linux

package reactor

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file holds the system calls that skip the scheduler of the Go runtime:
// telling it of a call costs more than many of these calls themselves. All
// descriptors are non-blocking, and no call waits but pollEvents, for some
// milliseconds. Longer waits go through the runtime (poll.go): a thread that slept
// unknown to it would keep a processor from others.

// Pointers are turned into numbers within the calls themselves: only there the
// compiler keeps what they point to alive and in its place.

// result turns what a call returns into what Go callers expect.
func result(n uintptr, errno unix.Errno) (int, unix.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// read reads from a socket into p, which is not empty. The calls of sockets
// reach them by a shorter way than those of all files.
func read(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
	return result(n, errno)
}

// write writes p, which is not empty. A peer that is gone is EPIPE; the signal
// is ignored by the Go runtime for sockets.
func write(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return result(n, errno)
}

// writeMore is write of octets that others follow at once: the system may keep
// them for these. See push.
func writeMore(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL|unix.MSG_MORE, 0, 0)
	return result(n, errno)
}

// push sends off what writeMore has left: setting TCP_NODELAY does, also where
// it is set (tcp(7)).
func push(fd int) { setOption(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// writev writes p and then q, neither empty, in one call.
func writev(fd int, p, q []byte) (int, unix.Errno) {
	iov := [2]unix.Iovec{{Base: &p[0], Len: uint64(len(p))}, {Base: &q[0], Len: uint64(len(q))}}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 2)
	return result(n, errno)
}

// silent reports whether nothing that was not read has come from the peer of
// fd, no FIN either.
func silent(fd int) bool {
	var octet byte
	_, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&octet)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return errno == unix.EAGAIN
}

// splice moves up to n octets, one of the descriptors being a pipe.
func splice(from, to, n int) (int, unix.Errno) {
	moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	return result(moved, errno)
}

// accept takes a connection from a listening socket.
func accept(fd int) (int, netip.AddrPort, unix.Errno) {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	return int(n), addrPort(&sa), 0
}

// localAddr returns the address that fd is bound to.
func localAddr(fd int) netip.AddrPort { return addrOf(unix.SYS_GETSOCKNAME, fd) }

// remoteAddr returns the address that fd is connected to.
func remoteAddr(fd int) netip.AddrPort { return addrOf(unix.SYS_GETPEERNAME, fd) }

// addrOf returns the address that the system tells of fd; not valid if none.
func addrOf(call uintptr, fd int) netip.AddrPort {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	if _, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); errno != 0 {
		return netip.AddrPort{}
	}
	return addrPort(&sa)
}

// addrPort reads an address as the kernel writes it.
func addrPort(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), bigEndian(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), bigEndian(in.Port))
	default:
		return netip.AddrPort{}
	}
}

// bigEndian turns a port from the order of the network to that of the machine,
// or back.
func bigEndian(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// connect begins to connect fd; EINPROGRESS is not over yet.
func connect(fd int, to netip.AddrPort) unix.Errno { return give(unix.SYS_CONNECT, fd, to) }

// bind says which address fd comes from.
func bind(fd int, from netip.AddrPort) unix.Errno { return give(unix.SYS_BIND, fd, from) }

// give hands an address to a call.
func give(call uintptr, fd int, at netip.AddrPort) unix.Errno {
	var errno unix.Errno
	if a := at.Addr(); a.Is4() {
		sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: bigEndian(at.Port()), Addr: a.As4()}
		_, _, errno = unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unix.SizeofSockaddrInet4)
	} else {
		sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: bigEndian(at.Port()), Addr: a.As16()}
		_, _, errno = unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unix.SizeofSockaddrInet6)
	}
	return errno
}

// socket makes a TCP socket for the family of a.
func socket(a netip.Addr) (int, unix.Errno) {
	family := uintptr(unix.AF_INET6)
	if a.Is4() {
		family = unix.AF_INET
	}
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return result(fd, errno)
}

// socketError returns what became of the connect of fd; 0 is well.
func socketError(fd int) unix.Errno {
	var code int32
	size := uint32(unsafe.Sizeof(code))
	if _, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&code)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		return errno
	}
	return unix.Errno(code)
}

// setOption sets an option of a socket. What the kernel refuses, it refuses on
// a socket that is gone, and the next call tells.
func setOption(fd, level, option, value int) {
	v := int32(value)
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
}

// setNoLinger makes closeFD send RST, and drop what was not sent.
func setNoLinger(fd int) {
	v := unix.Linger{Onoff: 1}
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&v)), unix.SizeofLinger, 0)
}

// shutdown sends FIN.
func shutdown(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
}

// closeFD closes fd, which leaves every epoll instance by that.
func closeFD(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) // EINTR has closed it all the same
}

// watch adds fd to an epoll instance.
func watch(epfd, fd int, events, gen uint32) unix.Errno {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(gen)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errno
}

// rewatch changes what an epoll instance reports of fd.
func rewatch(epfd, fd int, events, gen uint32) {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(gen)}
	_, _, _ = unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), unix.EPOLL_CTL_MOD, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
}

// pollEvents returns the events that are there after at most wait, in milliseconds,
// which is short: the scheduler of Go does not know that the thread waits.
func pollEvents(epfd int, events []unix.EpollEvent, wait int) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(wait), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
