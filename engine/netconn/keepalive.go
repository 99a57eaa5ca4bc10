package netconn

import (
	"net"

	"casbah/engine/bounds"
)

// keepAlive turns probes on, where nc is TCP. One that fails them has gone, and so
// is told by the next read.
func keepAlive(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	n := addrPort(tcp.RemoteAddr()).Port() ^ addrPort(tcp.LocalAddr()).Port() // one of them is the connection's own
	silence, interval := bounds.Probes(int(n))
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: silence, Interval: interval})
}
