package enginetest

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// delivered waits until everything that was sent on nc, FIN included, has come
// to the socket of its peer, or nc is broken.
func delivered(nc net.Conn) {
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = over.NetConn()
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		over := true
		_ = raw.Control(func(fd uintptr) {
			left, _ := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			over = left == 0 || err != nil || info.State == unix.BPF_TCP_CLOSE
		})
		if over {
			return
		}
	}
}
