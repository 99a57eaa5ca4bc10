//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// network is three hosts in network namespaces: clients, casbah, and a server whose
// way to the clients leads by casbah.
type network struct {
	t                       *testing.T
	clients, casbah, server string // namespaces
}

// Each host's addresses end in that of its network.
const (
	clientSide, serverSide   = "10.88.1.", "10.88.2."
	clientSide6, serverSide6 = "fd88:1::", "fd88:2::"
)

// newNetwork makes a network that ends with the test. It does not touch that of
// the host.
func newNetwork(t *testing.T) *network {
	t.Helper()
	ip := peer(t, "ip")
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	id := fmt.Sprintf("casbah%d-", os.Getpid())
	n := &network{t: t, clients: id + "clients", casbah: id + "lb", server: id + "server"}
	run := func(words string) {
		t.Helper()
		if out, err := exec.Command(ip, strings.Fields(words)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", words, err, out)
		}
	}
	for _, host := range []string{n.clients, n.casbah, n.server} {
		run("netns add " + host)
		t.Cleanup(func() { _ = exec.Command(ip, "netns", "del", host).Run() })
		run("-n " + host + " link set lo up")
	}
	for _, side := range []struct{ host, link, four, six string }{
		{n.clients, "outside", clientSide, clientSide6}, {n.server, "inside", serverSide, serverSide6},
	} {
		run(fmt.Sprintf("-n %s link add %s type veth peer name eth0 netns %s", n.casbah, side.link, side.host))
		for _, end := range []struct{ host, link, last string }{{n.casbah, side.link, "1"}, {side.host, "eth0", "2"}, {side.host, "eth0", "3"}} {
			run(fmt.Sprintf("-n %s addr add %s%s/24 dev %s", end.host, side.four, end.last, end.link))
			run(fmt.Sprintf("-n %s addr add %s%s/64 dev %s nodad", end.host, side.six, end.last, end.link))
			run(fmt.Sprintf("-n %s link set %s up", end.host, end.link))
		}
	}
	run("-n " + n.server + " route add default via " + serverSide + "1")
	run("-n " + n.server + " -6 route add default via " + serverSide6 + "1")
	for _, words := range []string{ // as docs/OPERATIONS.md has them
		"rule add iif inside from " + serverSide + "2 ipproto tcp sport 7000-7100 lookup 100",
		"rule add iif inside from " + serverSide + "2 ipproto udp sport 7053 lookup 100",
		"route add local default dev lo table 100",
		"-6 rule add iif inside from " + serverSide6 + "2 ipproto tcp sport 7000-7100 lookup 100",
		"-6 route add local default dev lo table 100",
	} {
		run("-n " + n.casbah + " " + words)
	}
	return n
}

// on runs f on a host. A socket that f opens stays there.
func (n *network) on(host string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		at, err := unix.Open("/run/netns/"+host, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(at, unix.CLONE_NEWNET)
			_ = unix.Close(at)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// dial connects from an address of the clients.
func (n *network) dial(ctx context.Context, kind, from, to string) (conn net.Conn, err error) {
	local := net.Addr(&net.TCPAddr{IP: net.ParseIP(from)})
	if kind == "udp" {
		local = &net.UDPAddr{IP: net.ParseIP(from)}
	}
	err = n.on(n.clients, func() error {
		conn, err = (&net.Dialer{LocalAddr: local, Timeout: patience}).DialContext(ctx, kind, to)
		return err
	})
	return conn, err
}

// listen listens at a port of the server, of all its addresses, until the end of
// the test.
func (n *network) listen(port string) net.Listener {
	n.t.Helper()
	var ln net.Listener
	err := n.on(n.server, func() (err error) {
		ln, err = net.Listen("tcp", ":"+port)
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// listenPacket is listen for datagrams.
func (n *network) listenPacket(port string) net.PacketConn {
	n.t.Helper()
	var conn net.PacketConn
	err := n.on(n.server, func() (err error) {
		conn, err = net.ListenPacket("udp", ":"+port)
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	return conn
}
