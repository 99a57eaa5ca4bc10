package transparent

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Allow lets a socket, of IPv6 or IPv4, be bound to an address that is not this
// host's. The port is chosen when it connects: until then only the other end can
// tell which ones are free, of which a client then has as many for each server.
func Allow(fd int, six bool) error {
	level, option := unix.SOL_IP, unix.IP_TRANSPARENT
	if six {
		level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		return os.NewSyscallError("setsockopt IP_TRANSPARENT", err)
	}
	return os.NewSyscallError("setsockopt IP_BIND_ADDRESS_NO_PORT", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
}

// Control is Allow for a net.Dialer.
func Control(network, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = Allow(int(fd), network[len(network)-1] == '6') })
	return errors.Join(err, failed)
}

// Permitted returns nil if the system lets this process do so.
func Permitted() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := Allow(fd, false); err != nil {
		return fmt.Errorf("%w (it needs the capability CAP_NET_RAW or CAP_NET_ADMIN)", err)
	}
	return nil
}
