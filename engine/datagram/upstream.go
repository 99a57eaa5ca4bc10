package datagram

import (
	"net"
	"net/netip"

	"casbah/internal/transparent"
)

// upstream is the socket of a flow towards its server.
type upstream struct {
	flow *flow
	conn *net.UDPConn
	out  sender
	in   receiver
}

// dial opens the socket to the server of f, and begins to hear what it answers.
func (e *Engine) dial(f *flow, to netip.AddrPort) (*upstream, error) {
	var d net.Dialer
	if f.to.Transparent {
		from, err := transparent.From(f.key.client.Addr(), to.Addr())
		if err != nil {
			return nil, err
		}
		d.LocalAddr, d.Control = net.UDPAddrFromAddrPort(from), transparent.Control
	}
	nc, err := d.Dial("udp", to.String())
	if err != nil {
		return nil, err
	}
	conn, _ := nc.(*net.UDPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	u := &upstream{flow: f, conn: conn}
	u.out.init(raw)
	u.in.init(raw)
	e.background(u.receive)
	return u, nil
}

// receive passes on what the server answers, until the socket is closed.
func (u *upstream) receive() {
	e := u.flow.key.socket.engine
	for {
		b, n, err := u.in.next()
		switch {
		case err == nil:
			goesOn := u.flow.deliver(e.clock(), u, b[:n])
			buffers.Put(b)
			if !goesOn {
				return
			}
		case passing(err):
		default: // closed, or nobody listens there
			u.flow.lost(e.clock(), u)
			return
		}
	}
}

// close ends receive, too.
func (u *upstream) close() { _ = u.conn.Close() }
