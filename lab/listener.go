package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"time"
)

// listener accepts connections for a CAS and numbers them.
type listener struct {
	net.Listener
	cas *CAS
	tls *tls.Config // nil: plain
}

// Accept returns the next connection, a *conn.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(raw, l.cas.counters.accepted.Add(1), l.tls), nil
}

// listen opens a listening socket. If the address is in use it tries again
// until patience ends.
func listen(address string, patience time.Duration) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}
