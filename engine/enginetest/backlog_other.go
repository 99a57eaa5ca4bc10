//go:build !linux

package enginetest

import (
	"net"
	"testing"
)

func fillBacklog(testing.TB, *net.TCPListener) bool { return false }
