package datagram

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// rig is an engine with one listener, whose flows go to endpoints.
type rig struct {
	*Engine
	t     testing.TB
	ln    *Listener
	now   atomic.Int64 // the clock
	begun sync.WaitGroup

	refused [8]atomic.Int64 // by engine.Reason

	mu        sync.Mutex // guards the fields below
	endpoints []*balance.Endpoint
	flows     []*toy
	panics    bool // the next Answered panics
}

// toy is a flow that takes the endpoints one after the other, is over after 10 s
// without an answer, and after 60 s without a datagram.
type toy struct {
	rig       *rig
	conn      engine.Conn
	began     int64
	last      int64
	next      int // index in endpoints
	unreached int
	sent      int
	answered  int
	in, out   int64
	dropped   int
	ticks     int
	closed    bool
	why       engine.Ending
	abandoned bool
}

func newRig(tb testing.TB, conf Config, endpoints ...netip.AddrPort) *rig {
	tb.Helper()
	r := &rig{t: tb}
	for _, at := range endpoints {
		r.endpoints = append(r.endpoints, endpoint(at))
	}
	r.now.Store(1e18)
	conf.Clock = r.now.Load
	r.Engine = New(conf)
	r.ln = NewListener(&engine.Listener{OnRefuse: func(why engine.Reason) { r.refused[why].Add(1) }}, func(c engine.Conn) engine.Flow {
		r.mu.Lock()
		defer r.mu.Unlock()
		f := &toy{rig: r, conn: c}
		r.flows = append(r.flows, f)
		return f
	})
	tb.Cleanup(func() {
		r.Close()
		r.begun.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := r.ln.Open(); n != 0 || len(r.ln.table.flows) != 0 || len(r.ln.table.due) != 0 || r.ln.table.unanswered != 0 {
			tb.Errorf("at the end %d flows are open, %d in the table; want none", n, len(r.ln.table.flows))
		}
	})
	return r
}

func endpoint(at netip.AddrPort) *balance.Endpoint {
	e := &balance.Endpoint{Name: at.String()}
	if at.IsValid() {
		e.SetAddr(at)
	}
	return e
}

// listen opens an address and serves it.
func (r *rig) listen(at string) *Socket {
	r.t.Helper()
	s, err := r.Listen(context.Background(), netip.MustParseAddrPort(at))
	if err != nil {
		r.t.Fatal(err)
	}
	r.begun.Go(func() {
		if err := s.Serve(r.ln); err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// flow returns the flow that began as that one, from 0.
func (r *rig) flow(i int) toy {
	r.t.Helper()
	r.until(fmt.Sprintf("flow %d begins", i), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.flows) > i
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	return *r.flows[i]
}

func (r *rig) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.flows)
}

func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) { r.look(r.now.Add(int64(d))) }

func (f *toy) do(what func()) {
	f.rig.mu.Lock()
	defer f.rig.mu.Unlock()
	if f.closed {
		f.rig.t.Error("a flow is called after Close")
	}
	what()
}

func (f *toy) Choose(int64) (e *balance.Endpoint) {
	f.do(func() {
		if f.next < len(f.rig.endpoints) {
			e = f.rig.endpoints[f.next]
		}
	})
	return e
}

func (f *toy) Unreached(int64) {
	f.do(func() {
		f.unreached++
		f.next++
	})
}

func (f *toy) Sent(now int64, n int) {
	f.do(func() {
		f.last = now
		f.sent++
		f.in += int64(n)
	})
}

func (f *toy) Answered(now int64, n int) {
	f.do(func() {
		if f.rig.panics {
			f.rig.panics = false
			panic("the core breaks")
		}
		f.last = now
		f.answered++
		f.out += int64(n)
	})
}

func (f *toy) Dropped() { f.do(func() { f.dropped++ }) }

func (f *toy) Tick(now int64) (next int64) {
	f.do(func() {
		f.ticks++
		if f.began == 0 {
			f.began, f.last = now, now
		}
		next = f.last + int64(time.Minute)
		if f.answered == 0 {
			next = f.began + int64(10*time.Second)
		}
		if now >= next {
			next = 0
		}
	})
	return next
}

func (f *toy) Close(_ int64, why engine.Ending) {
	f.do(func() { f.closed, f.why = true, why })
}

// Abandon is what engine.Abandon calls.
func (f *toy) Abandon() { f.do(func() { f.abandoned = true }) }

// peer is a socket of a client or server.
type peer struct {
	*net.UDPConn
	t testing.TB
}

// server listens at that address; echo says back what it hears.
func server(tb testing.TB, at string, echo bool) *peer {
	tb.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		tb.Fatal(err)
	}
	var work sync.WaitGroup
	tb.Cleanup(func() {
		_ = conn.Close()
		work.Wait()
	})
	if echo {
		work.Go(func() {
			buf := make([]byte, Most)
			for {
				n, from, err := conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
			}
		})
	}
	return &peer{conn, tb}
}

// client calls that address from another one; from may be empty.
func client(tb testing.TB, from string, to netip.AddrPort) *peer {
	tb.Helper()
	var local *net.UDPAddr
	if from != "" {
		local = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from))
	}
	conn, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(to))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return &peer{conn, tb}
}

func (p *peer) addr() netip.AddrPort {
	a, _ := p.LocalAddr().(*net.UDPAddr)
	return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
}

func (p *peer) say(text []byte) {
	p.t.Helper()
	if _, err := p.Write(text); err != nil {
		p.t.Fatal(err)
	}
}

// hears waits for one datagram and compares it.
func (p *peer) hears(want []byte) netip.AddrPort {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, Most)
	n, from, err := p.ReadFromUDPAddrPort(buf)
	if err != nil {
		p.t.Fatal(err)
	}
	if !bytes.Equal(buf[:n], want) {
		p.t.Fatalf("heard %d octets %.20q; want %d octets %.20q", n, buf[:n], len(want), want)
	}
	return from
}

// silent reports that nothing has come.
func (p *peer) silent() {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	buf := make([]byte, Most)
	if n, _, err := p.ReadFromUDPAddrPort(buf); err == nil {
		p.t.Fatalf("heard %.20q; want nothing", buf[:n])
	}
}
