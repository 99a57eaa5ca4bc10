//go:build !linux

package enginetest

import (
	"net"
	"time"
)

// delivered waits until what was sent on nc should have come to the socket of
// its peer, where the system does not tell.
func delivered(net.Conn) { time.Sleep(50 * time.Millisecond) }
