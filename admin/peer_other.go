//go:build !linux

package admin

import "net"

// peerOf names the user at the other end of a socket; empty: nobody can tell.
func peerOf(net.Conn) string { return "" }
