package datagram

import (
	"bytes"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// plain is a flow that counts and does nothing else.
type plain struct {
	to                *balance.Endpoint
	sent, heard, lost atomic.Int64
}

func (f *plain) Choose(int64) *balance.Endpoint { return f.to }
func (f *plain) Unreached(int64)                {}
func (f *plain) Sent(int64, int)                { f.sent.Add(1) }
func (f *plain) Answered(int64, int)            { f.heard.Add(1) }
func (f *plain) Dropped()                       { f.lost.Add(1) }
func (f *plain) Tick(now int64) int64           { return now + int64(time.Hour) }
func (f *plain) Close(int64, engine.Ending)     {}

// A datagram of a flow that is there allocates nothing, either way and from any
// kind of socket.
func TestDatagramDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	for _, tt := range []struct{ name, listen, call string }{
		{"v4", "127.0.0.1:0", "127.0.0.1"},
		{"v6", "[::1]:0", "::1"},
		{"any-v4", "0.0.0.0:0", "127.0.0.9"},
		{"any-v6", "[::]:0", "127.0.0.9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, "127.0.0.1:0", true)
			f := &plain{to: endpoint(s.addr())}
			e := New(Config{})
			ln := NewListener(&engine.Listener{}, func(engine.Conn) engine.Flow { return f })
			sock, err := e.Listen(t.Context(), netip.MustParseAddrPort(tt.listen))
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- sock.Serve(ln) }()
			defer func() {
				e.Close()
				if err := <-served; err != nil {
					t.Error(err)
				}
			}()
			c := client(t, "", netip.AddrPortFrom(netip.MustParseAddr(tt.call), sock.Addr().Port()))
			text, buf := bytes.Repeat([]byte("x"), 512), make([]byte, 1024)
			_ = c.SetReadDeadline(time.Now().Add(patience))
			least := 100.0
			for range 5 { // a collection in between empties the pools
				least = min(least, testing.AllocsPerRun(200, func() {
					if _, err := c.Write(text); err != nil {
						t.Fatal(err)
					}
					if n, err := c.Read(buf); n != len(text) || err != nil {
						t.Fatal(n, err)
					}
				}))
			}
			if least != 0 {
				t.Errorf("%v allocations for a datagram to the server and back; want 0", least)
			}
			if f.sent.Load() < 1000 || f.heard.Load() != f.sent.Load() || f.lost.Load() != 0 {
				t.Errorf("%d datagrams to the server, %d back, %d dropped", f.sent.Load(), f.heard.Load(), f.lost.Load())
			}
		})
	}
}
