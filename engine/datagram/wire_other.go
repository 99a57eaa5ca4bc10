//go:build !linux

package datagram

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

const controlSize = 0

// listenUDP refuses: to send without waiting, and from the address that a client
// called, is written for Linux alone.
func listenUDP(context.Context, netip.AddrPort) (*net.UDPConn, error) {
	return nil, errors.New(`a VIP of type "udp" needs Linux`)
}

func called([]byte) netip.Addr { return netip.Addr{} }

type sender struct{}

func (*sender) init(syscall.RawConn) {}
func (*sender) address(key, bool)    {}
func (*sender) send([]byte) error    { return errors.ErrUnsupported }

type receiver struct{}

func (*receiver) init(syscall.RawConn)        {}
func (*receiver) next() (*buffer, int, error) { return nil, 0, errors.ErrUnsupported }

func unreachable(error) bool { return false }
func shortage(error) bool    { return false }
func passing(error) bool     { return false }
