package enginetest

import (
	"fmt"
	"sync/atomic"

	"casbah/engine"
)

// limits returns how connections are counted and refused.
func limits() []behaviour {
	return []behaviour{
		{"limit-refuses", limitRefuses, alone},
		{"limit-set-live", limitSetLive, alone},
		{"limit-by-source", limitBySource, alone},
		{"limit-listener-shared", limitShared, alone},
		{"limit-polite-flood", refuseFlood, alone},
		{"limit-loops", countByLoop, alone},
	}
}

// sorry is how a plain listener refuses.
const sorry = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// counts is what a listener tells of its connections.
type counts struct {
	opened, closed atomic.Int64
	refused        chan engine.Reason
}

// count has ln tell its connections.
func count(ln *engine.Listener) *counts {
	c := &counts{refused: make(chan engine.Reason, 1024)}
	ln.OnOpen, ln.OnClose = func() { c.opened.Add(1) }, func() { c.closed.Add(1) }
	ln.OnRefuse = func(r engine.Reason) { c.refused <- r }
	return c
}

// comesIn connects and wants to be served.
func comesIn(t *trial, m mode, s *served) client {
	t.Helper()
	nc := m.dial(t, s.at)
	Send(t, nc, "x")
	Expect(t, nc, "x")
	return nc
}

// isRefused connects and wants to be refused, with ln.Refuse where it is plain.
func isRefused(t *trial, m mode, s *served, c *counts, want engine.Reason) {
	t.Helper()
	nc := m.dial(t, s.at)
	if m.secure {
		if _, err := nc.Write([]byte("x")); err == nil {
			t.Error("a handshake over the limit came through")
		}
	} else {
		Send(t, nc, "GET / HTTP/1.1\r\n\r\n")
		Expect(t, nc, sorry)
		ExpectEnd(t, nc)
	}
	_ = nc.Close()
	if got := Receive(t, c.refused, "refusal"); got != want {
		t.Errorf("refused for %v; want %v", got, want)
	}
}

// limitRefuses refuses the connection over each limit, and lets one in when
// another has gone.
func limitRefuses(t *trial) {
	tests := []struct {
		name string
		cfg  engine.Config
		max  int // of the listener
		want engine.Reason
	}{
		{"engine", engine.Config{MaxConns: 2}, 0, engine.EngineFull},
		{"listener", engine.Config{}, 2, engine.ListenerFull},
		{"source", engine.Config{MaxPerSource: 2}, 0, engine.SourceFull},
	}
	for _, tt := range tests {
		t.run(tt.name, func(t *trial) {
			t.inModes(func(t *trial, m mode) {
				ln := m.listener(Echo)
				ln.MaxConns, ln.Refuse = tt.max, []byte(sorry)
				c := count(ln)
				s := t.start(tt.cfg, ln)
				first := comesIn(t, m, s)
				comesIn(t, m, s)
				isRefused(t, m, s, c, tt.want)
				Becomes(t, "Open()", s.Open, 2)
				_ = first.Close()
				Becomes(t, "Open()", s.Open, 1)
				Becomes(t, "Listener.Open()", ln.Open, 1)
				comesIn(t, m, s)
				isRefused(t, m, s, c, tt.want)
				s.Kill()
				Wait(t, s)
				if opened := c.opened.Load(); opened != c.closed.Load() || opened < 3 || ln.Open() != 0 {
					t.Errorf("opened %d, closed %d, open %d; want 3 or more, the same, 0", opened, c.closed.Load(), ln.Open())
				}
				if len(c.refused) > 0 {
					t.Errorf("%d more were refused: %v", len(c.refused), <-c.refused)
				}
			})
		})
	}
}

// limitSetLive changes the limit of a listener while connections are open.
func limitSetLive(t *trial) {
	ln := plain.listener(Echo)
	ln.MaxConns, ln.Refuse = 1, []byte(sorry)
	c := count(ln)
	s := t.start(engine.Config{}, ln)
	first := comesIn(t, plain, s)
	isRefused(t, plain, s, c, engine.ListenerFull)
	ln.SetMaxConns(2)
	comesIn(t, plain, s)
	isRefused(t, plain, s, c, engine.ListenerFull)
	ln.SetMaxConns(1) // those that are in stay
	isRefused(t, plain, s, c, engine.ListenerFull)
	Send(t, first, "y")
	Expect(t, first, "y")
	ln.SetMaxConns(0)
	for range 3 {
		comesIn(t, plain, s)
	}
}

// limitBySource counts clients behind a proxy by their own address.
func limitBySource(t *trial) {
	ln := &engine.Listener{New: Echo, ProxyFrom: fromLoopback, Refuse: []byte(sorry)}
	c := count(ln)
	s := t.start(engine.Config{MaxPerSource: 1}, ln)
	from := func(host int) client {
		nc := Dial(t, s.at)
		Send(t, nc, fmt.Sprintf("PROXY TCP4 192.0.2.%d 192.0.2.100 4711 80\r\nx", host))
		return nc
	}
	for host := range 3 {
		Expect(t, from(host), "x")
	}
	over := from(1)
	Expect(t, over, sorry)
	_ = over.Close()
	if got := Receive(t, c.refused, "refusal"); got != engine.SourceFull {
		t.Errorf("refused for %v; want %v", got, engine.SourceFull)
	}
	Becomes(t, "Open()", s.Open, 3)
	Becomes(t, "connections that were closed", func() int { return int(c.closed.Load()) }, 1)
}

// limitShared counts the connections of all sockets of a listener together.
func limitShared(t *trial) {
	ln := plain.listener(Echo)
	ln.MaxConns, ln.Refuse = 2, []byte(sorry)
	c := count(ln)
	s := t.start(engine.Config{}, ln)
	other := &served{s.Engine, ServeAt(t, s, loopback, ln).Addr(), nil}
	comesIn(t, plain, s)
	comesIn(t, plain, other)
	isRefused(t, plain, s, c, engine.ListenerFull)
	isRefused(t, plain, other, c, engine.ListenerFull)
	if ln.Open() != 2 {
		t.Errorf("Listener.Open() = %d; want 2", ln.Open())
	}
}

// refuseFlood refuses many clients that neither send nor close: each is counted,
// and none of them keeps one that is served from it.
func refuseFlood(t *trial) {
	const n = 300
	ln := plain.listener(Echo)
	ln.MaxConns, ln.Refuse = 1, []byte(sorry)
	c := count(ln)
	s := t.start(engine.Config{}, ln)
	in := comesIn(t, plain, s)
	for range n {
		Dial(t, s.at)
	}
	for range n {
		if got := Receive(t, c.refused, "refusal"); got != engine.ListenerFull {
			t.Fatalf("refused for %v; want %v", got, engine.ListenerFull)
		}
	}
	Send(t, in, "y")
	Expect(t, in, "y")
}

// countByLoop tells how the connections are spread, where there are loops.
func countByLoop(t *trial) {
	s := t.start(engine.Config{}, plain.listener(Echo))
	sum := func() int {
		all := 0
		for _, n := range s.Loops() {
			all += n
		}
		return all
	}
	loops := len(s.Loops())
	for range 10 {
		comesIn(t, plain, s)
	}
	if loops > 0 {
		Becomes(t, "the sum of Loops()", sum, 10)
	}
	s.Kill()
	Wait(t, s)
	if got := len(s.Loops()); got != loops || sum() != 0 {
		t.Errorf("Loops() = %v without connections; want %d zeros", s.Loops(), loops)
	}
}
