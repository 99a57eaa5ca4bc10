package enginetest

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// fillBacklog makes the system ignore whoever connects to ln, which nobody
// accepts from, and reports whether it does.
func fillBacklog(tb testing.TB, ln *net.TCPListener) bool {
	tb.Helper()
	raw, err := ln.SyscallConn()
	if err != nil {
		tb.Fatal(err)
	}
	failed := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) })
	if failed != nil || err != nil {
		tb.Fatalf("listen with a backlog of 0: %v, %v", failed, err)
	}
	Dial(tb, netip.MustParseAddrPort(ln.Addr().String())) // takes the one place that there is
	return true
}
