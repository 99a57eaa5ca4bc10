package pacing

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// link is two ends of a connection by loopback, of which the first is paced.
func link(t *testing.T) (paced *net.TCPConn, fd int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, peer)
	}()
	t.Cleanup(func() {
		_ = nc.Close()
		<-read
		_ = peer.Close()
	})
	tcp := nc.(*net.TCPConn)
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(n uintptr) { fd = int(n) })
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "bbr"); err != nil {
		t.Skipf("this system has no BBR for this process: %v", err)
	}
	return tcp, fd
}

// control returns the congestion control of fd.
func control(t *testing.T, fd int) string {
	t.Helper()
	name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// A near peer is paced until it has been sent a mebibyte, and what it is sent
// after that comes as before.
func TestBulkToNearPeersIsNotPaced(t *testing.T) {
	nc, fd := link(t)
	var m Meter
	piece := make([]byte, bulk/4)
	for sent := 0; sent < 3*bulk; sent += len(piece) {
		want := "bbr"
		if sent >= bulk {
			want = free
		}
		if got := control(t, fd); got != want {
			t.Fatalf("congestion control %q behind %d octets; want %q", got, sent, want)
		}
		if _, err := nc.Write(piece); err != nil {
			t.Fatal(err)
		}
		m.Count(fd, len(piece), -1)
	}
}

// What somebody chooses after that stays.
func TestMeterLooksOnce(t *testing.T) {
	nc, fd := link(t)
	if _, err := nc.Write(make([]byte, bulk)); err != nil {
		t.Fatal(err)
	}
	var m Meter
	m.Count(fd, 5*bulk, bulk)
	if got := control(t, fd); got != free {
		t.Fatalf("congestion control %q; want %q", got, free)
	}
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "bbr"); err != nil {
		t.Fatal(err)
	}
	m.Count(fd, 5*bulk, bulk)
	if got := control(t, fd); got != "bbr" {
		t.Errorf("congestion control %q; want bbr", got)
	}
}

// Many short answers are no long transfer.
func TestShortAnswersAreNotCounted(t *testing.T) {
	nc, fd := link(t)
	var m Meter
	piece := make([]byte, bulk/8)
	for range 32 {
		if _, err := nc.Write(piece); err != nil {
			t.Fatal(err)
		}
		m.Count(fd, len(piece), int64(len(piece)))
	}
	if got := control(t, fd); got != "bbr" || m != 0 {
		t.Errorf("congestion control %q, %d octets counted; want bbr, 0", got, m)
	}
}

// A descriptor that is no socket is left as it is, and counted like any.
func TestCountOfNoSocket(t *testing.T) {
	var m Meter
	m.Count(-1, bulk, -1)
	if m != bulk {
		t.Errorf("counted %d; want %d", m, bulk)
	}
}
