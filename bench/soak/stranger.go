package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"time"
)

// connect opens a connection to a VIP that must take it.
func (a *actor) connect(ctx context.Context, address string) (*net.TCPConn, error) {
	tcp, err := dial(ctx, a.rng, address)
	if err != nil && ctx.Err() == nil {
		a.ledger.breach("a client cannot connect to %s: %v", address, err)
	}
	return tcp, err
}

// gone connects and goes.
func (a *actor) gone(ctx context.Context) string {
	address := a.site.plain
	if a.chance(50) {
		address = a.site.tls
	}
	tcp, err := a.connect(ctx, address)
	if err != nil {
		return endFailed
	}
	if a.chance(50) {
		_ = tcp.SetLinger(0)
	}
	if a.chance(30) {
		time.Sleep(a.within(0, 20*time.Millisecond))
	}
	_ = tcp.Close()
	return endLeft
}

// fuse is a connection that a client leaves after so many octets.
type fuse struct {
	net.Conn
	left int
}

// Write implements net.Conn.
func (f *fuse) Write(b []byte) (int, error) {
	n, err := f.Conn.Write(b[:min(len(b), f.left)])
	f.left -= n
	if err == nil && n < len(b) {
		err = errCut
	}
	return n, err
}

// handshake gives up amid a TLS handshake.
func (a *actor) handshake(ctx context.Context) string {
	tcp, err := a.connect(ctx, a.site.tls)
	if err != nil {
		return endFailed
	}
	defer tcp.Close() // it may be closed already
	_ = tcp.SetDeadline(time.Now().Add(patience))
	err = tls.Client(&fuse{tcp, a.rng.IntN(700)}, a.tls()).HandshakeContext(ctx)
	if a.chance(30) {
		time.Sleep(a.within(0, 500*time.Millisecond))
	}
	if a.chance(50) {
		_ = tcp.SetLinger(0)
	}
	if err == nil {
		return endRight // the fuse was longer than the handshake
	}
	return endLeft
}

// wrongProtocol speaks what a VIP does not.
func (a *actor) wrongProtocol(ctx context.Context) string {
	address, text := a.site.plain, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
	switch a.rng.IntN(3) {
	case 0:
		address, text = a.site.tls, []byte("GET /own/ HTTP/1.1\r\nHost: h\r\n\r\n")
	case 1:
		text = bytes.Repeat([]byte{byte(a.rng.IntN(256))}, 1+a.rng.IntN(4096))
	}
	tcp, err := a.connect(ctx, address)
	if err != nil {
		return endFailed
	}
	defer tcp.Close() // it may be closed already
	_ = tcp.SetDeadline(time.Now().Add(2 * time.Second))
	if answer := say(tcp, text); bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
		a.ledger.breach("%q is answered with 200", text)
		return endFailed
	}
	return endRefused
}
