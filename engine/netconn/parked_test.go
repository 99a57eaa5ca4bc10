package netconn

import (
	"crypto/tls"
	"io"
	"net"
	"testing"

	"casbah/balance"
	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/engine/enginetest"
)

// TestParkedLimits keeps bounds.Parked connections, for bounds.ParkTime, until Drain.
func TestParkedLimits(t *testing.T) {
	up := &balance.Endpoint{}
	now := int64(0)
	p := parked{clock: func() int64 { return now }}
	c := newConn(New(engine.Config{}), &engine.Listener{}, pipe(t))
	var legs []*leg
	park := func() bool {
		l := &leg{endpoint: up, wire: &wire{sock: newSocket(pipe(t))}}
		l.owner.Store(c)
		legs = append(legs, l)
		return p.put(l)
	}
	for i := range bounds.Parked {
		if now = int64(i); !park() {
			t.Fatalf("put() = false at %d; want true up to %d", i, bounds.Parked)
		}
	}
	if park() {
		t.Errorf("put() = true over the limit; want false")
	}
	now = int64(bounds.ParkTime) + 9
	p.expire()
	if got := len(p.shelves[up]); got != bounds.Parked-10 {
		t.Errorf("%d are left after the first 10 expired; want %d", got, bounds.Parked-10)
	}
	if legs[9].onShelf || !legs[10].onShelf {
		t.Errorf("on the shelf: leg 9 %v, leg 10 %v; want false, true", legs[9].onShelf, legs[10].onShelf)
	}
	p.shut()
	if len(p.shelves) != 0 || park() {
		t.Error("something is parked after shut")
	}
}

// TestPartOfARecordIsNotShelved counts octets of TLS from when they are read, be it
// between the look that parks the connection and the end of that read.
func TestPartOfARecordIsNotShelved(t *testing.T) {
	up := enginetest.Upstream(t, false, func(nc net.Conn) {
		_, _ = io.WriteString(nc, "\x17\x03\x03\x00\x02") // the header of a record
		enginetest.Discard(nc)
	})
	at, _ := up.Addr()
	w := &wire{sock: newSocket(enginetest.Dial(t, at))}
	w.sock.parks = true
	w.secure(tls.Client, enginetest.ClientTLS())
	if n, err := w.sock.Read(make([]byte, 5)); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if w.sock.shelve() {
		t.Error("shelve() = true amid a record")
	}
}

// pipe returns a connection for what is never read or written.
func pipe(t *testing.T) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return a
}
