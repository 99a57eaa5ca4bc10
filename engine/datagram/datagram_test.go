package datagram

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"casbah/engine"
)

// What clients say reaches their server as they said it, and what it answers
// comes from the address that they called, in both families.
func TestBothWays(t *testing.T) {
	for _, tt := range []struct{ name, listen, call, server string }{
		{"v4", "127.0.0.1:0", "127.0.0.1", "127.0.0.1:0"},
		{"v6", "[::1]:0", "::1", "[::1]:0"},
		{"v6-to-v4", "[::1]:0", "::1", "127.0.0.1:0"},
		{"any-v4", "0.0.0.0:0", "127.0.0.9", "127.0.0.1:0"},
		{"any-v6", "[::]:0", "::1", "127.0.0.1:0"},
		{"any-v6-called-by-v4", "[::]:0", "127.0.0.9", "[::1]:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, tt.server, true)
			r := newRig(t, Config{}, s.addr())
			sock := r.listen(tt.listen)
			call := netip.AddrPortFrom(netip.MustParseAddr(tt.call), sock.Addr().Port())
			c := client(t, "", call) // connected: takes answers of that address alone
			var octets int64
			for _, n := range []int{3, 0, 1, 1472, 65507} {
				text := bytes.Repeat([]byte{byte(n), 0xff}, n)[:n]
				c.say(text)
				c.hears(text)
				octets += int64(n)
			}
			f := r.flow(0)
			if f.conn.Remote != c.addr() || f.conn.Local != call {
				t.Errorf("the flow is of %s at %s; want %s at %s", f.conn.Remote, f.conn.Local, c.addr(), call)
			}
			if r.count() != 1 || f.sent != 5 || f.answered != 5 || f.in != octets || f.out != octets || f.dropped != 0 || r.ln.Open() != 1 {
				t.Errorf("%d flows, the first %+v; want one with 5 datagrams and %d octets each way", r.count(), f, octets)
			}
		})
	}
}

// Many clients behind one address are told apart by their ports, and one client
// that calls two addresses is two flows.
func TestFlowsAreToldApart(t *testing.T) {
	s := server(t, "127.0.0.1:0", true)
	r := newRig(t, Config{}, s.addr())
	port := r.listen("0.0.0.0:0").Addr().Port()
	const clients = 50
	var all []*peer
	for range clients {
		all = append(all, client(t, "127.0.0.2:0", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)))
	}
	for i, c := range all {
		c.say(fmt.Appendf(nil, "client %d", i))
	}
	for i, c := range all {
		c.hears(fmt.Appendf(nil, "client %d", i))
	}
	if n := r.count(); n != clients || r.Open() != clients {
		t.Fatalf("%d flows began, %d are open; want %d", n, r.Open(), clients)
	}
	one := server(t, "127.0.0.2:0", false)
	for _, called := range []string{"127.0.0.3", "127.0.0.4"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(called), port)
		if _, err := one.WriteToUDPAddrPort([]byte(called), to); err != nil {
			t.Fatal(err)
		}
		if from := one.hears([]byte(called)); from != to {
			t.Errorf("the answer comes from %s; want %s", from, to)
		}
	}
	if n := r.count(); n != clients+2 {
		t.Errorf("%d flows; want %d", n, clients+2)
	}
}

// Who speaks to the port of a flow without being its server is not heard.
func TestStrangersAreNotHeard(t *testing.T) {
	s, stranger := server(t, "127.0.0.1:0", false), server(t, "127.0.0.1:0", false)
	r := newRig(t, Config{}, s.addr())
	c := client(t, "", r.listen("127.0.0.1:0").Addr())
	c.say([]byte("ask"))
	port := s.hears([]byte("ask"))
	if _, err := stranger.WriteToUDPAddrPort([]byte("spoof"), port); err != nil {
		t.Fatal(err)
	}
	c.silent()
	if _, err := s.WriteToUDPAddrPort([]byte("answer"), port); err != nil {
		t.Fatal(err)
	}
	c.hears([]byte("answer"))
}

// A server where nobody listens says so: the next datagram goes elsewhere.
func TestUnreachableServerIsLeft(t *testing.T) {
	gone := server(t, "127.0.0.1:0", false)
	goneAt := gone.addr()
	_ = gone.Close()
	s := server(t, "127.0.0.1:0", true)
	r := newRig(t, Config{}, goneAt, netip.AddrPort{}, s.addr())
	c := client(t, "", r.listen("127.0.0.1:0").Addr())
	c.say([]byte("lost"))
	r.until("the server is given up", func() bool { return r.flow(0).unreached == 1 })
	c.say([]byte("found")) // passes over a server whose name was not found
	c.hears([]byte("found"))
	if f := r.flow(0); r.count() != 1 || f.unreached != 2 || f.sent != 2 || f.answered != 1 {
		t.Errorf("%d flows, the first %+v; want one that gave up two servers", r.count(), f)
	}
}

// A server that goes away in the middle is left as well; with nobody left
// datagrams are dropped, without a word to the client.
func TestServerThatGoesAway(t *testing.T) {
	s := server(t, "127.0.0.1:0", true)
	r := newRig(t, Config{}, s.addr())
	c := client(t, "", r.listen("127.0.0.1:0").Addr())
	c.say([]byte("one"))
	c.hears([]byte("one"))
	_ = s.Close()
	c.say([]byte("two"))
	r.until("the server is given up", func() bool { return r.flow(0).unreached == 1 })
	c.say([]byte("three"))
	c.silent()
	if f := r.flow(0); f.closed || f.answered != 1 {
		t.Errorf("the flow is %+v; want it to go on", f)
	}
}

// A flow that nobody answers ends after its time, one that is answered goes on
// until it is idle, and what comes then is a new flow.
func TestFlowsEnd(t *testing.T) {
	echo, mute := server(t, "127.0.0.1:0", true), server(t, "127.0.0.1:0", false)
	r := newRig(t, Config{}, mute.addr())
	at := r.listen("127.0.0.1:0").Addr()
	unheard := client(t, "", at)
	unheard.say([]byte("hello"))
	mute.hears([]byte("hello"))
	r.flow(0)
	r.mu.Lock()
	r.endpoints[0] = endpoint(echo.addr())
	r.mu.Unlock()
	heard := client(t, "", at)
	heard.say([]byte("hello"))
	heard.hears([]byte("hello"))
	r.until("the answer is noted", func() bool { return unansweredOf(r) == 1 })

	r.pass(9 * time.Second)
	if r.Open() != 2 {
		t.Fatalf("after 9s %d flows are open; want 2", r.Open())
	}
	r.pass(2 * time.Second)
	if f := r.flow(0); !f.closed || f.why != engine.Expired || r.Open() != 1 {
		t.Fatalf("after 11s the flow without an answer is %+v, %d are open; want it expired, 1", f, r.Open())
	}
	for range 3 { // each datagram puts the end off
		r.pass(40 * time.Second)
		heard.say([]byte("again"))
		heard.hears([]byte("again"))
	}
	r.pass(59 * time.Second)
	if f := r.flow(1); f.closed {
		t.Fatalf("the flow is %+v; want it open", f)
	}
	r.pass(2 * time.Second)
	if f := r.flow(1); !f.closed || f.why != engine.Expired || f.ticks > 8 {
		t.Fatalf("after 61s without a datagram the flow is %+v; want it expired", f)
	}
	heard.say([]byte("new"))
	heard.hears([]byte("new"))
	if r.count() != 3 || r.Open() != 1 {
		t.Errorf("%d flows began, %d are open; want 3, 1", r.count(), r.Open())
	}
}

func unansweredOf(r *rig) int {
	r.ln.table.mu.Lock()
	defer r.ln.table.mu.Unlock()
	return r.ln.table.unanswered
}

// A limit that is reached drops what is new, unless somebody whom
// nobody has answered makes room.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		conf   Config
		conns  int // limit of the listener
		reason engine.Reason
		evicts bool // an unanswered flow makes room
	}{
		{"listener", Config{}, 2, engine.ListenerFull, true},
		{"engine", Config{MaxFlows: 16, Others: func() int { return 14 }}, 0, engine.EngineFull, true},
		{"source", Config{MaxPerSource: 2}, 0, engine.SourceFull, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			echo := server(t, "127.0.0.1:0", true)
			r := newRig(t, tt.conf, echo.addr())
			r.ln.SetMaxConns(tt.conns)
			at := r.listen("127.0.0.1:0").Addr()
			talk := func(i int) *peer {
				c := client(t, "127.0.0.2:0", at)
				c.say([]byte("hello"))
				c.hears([]byte("hello"))
				r.until("the answer is noted", func() bool { return r.flow(i).answered == 1 && unansweredOf(r) == 0 })
				return c
			}
			talk(0)
			second := talk(1)
			third := client(t, "127.0.0.2:0", at)
			third.say([]byte("too many"))
			r.until("it is refused", func() bool { return r.refused[tt.reason].Load() == 1 })
			third.silent()
			second.say([]byte("still"))
			second.hears([]byte("still"))

			r.pass(time.Hour) // both end
			r.mu.Lock()
			mute := server(t, "127.0.0.1:0", false)
			r.endpoints[0] = endpoint(mute.addr())
			r.mu.Unlock()
			for i := range 2 {
				client(t, "127.0.0.2:0", at).say([]byte("unheard"))
				r.flow(2 + i)
				mute.hears([]byte("unheard"))
			}
			r.mu.Lock()
			r.endpoints[0] = endpoint(echo.addr())
			r.mu.Unlock()
			third.say([]byte("now"))
			if !tt.evicts {
				r.until("it is refused", func() bool { return r.refused[tt.reason].Load() == 2 })
				return
			}
			third.hears([]byte("now"))
			if f, g := r.flow(2), r.flow(3); !f.closed || f.why != engine.Evicted || g.closed || r.Open() != 2 {
				t.Errorf("the unanswered flows are %+v and %+v; want the older one evicted", f, g)
			}
		})
	}
}

// A flood from made-up addresses holds a share of the flows and no more.
func TestFloodIsBounded(t *testing.T) {
	mute := server(t, "127.0.0.1:0", false)
	r := newRig(t, Config{MaxFlows: 40}, mute.addr())
	at := r.listen("127.0.0.1:0").Addr()
	const flood = 60
	for i := range flood {
		client(t, fmt.Sprintf("127.0.%d.7:0", i+1), at).say([]byte("hello"))
		r.flow(i)
	}
	r.until("all but the newest are evicted", func() bool { return r.Open() == 10 && unansweredOf(r) == 10 })
	for i := range flood {
		if f := r.flow(i); f.closed != (i < flood-10) || f.closed && f.why != engine.Evicted {
			t.Errorf("flow %d is %+v; want the oldest evicted", i, f)
		}
	}
}

// A socket that is closed lets nobody in, and its flows go on until they end.
func TestClosedSocketKeepsItsFlows(t *testing.T) {
	echo := server(t, "127.0.0.1:0", true)
	r := newRig(t, Config{}, echo.addr())
	s := r.listen("127.0.0.1:0")
	c := client(t, "", s.Addr())
	c.say([]byte("one"))
	c.hears([]byte("one"))
	s.Close()
	c.say([]byte("two"))
	c.hears([]byte("two"))
	other := client(t, "", s.Addr())
	other.say([]byte("late"))
	r.until("it is refused", func() bool { return r.refused[engine.Stopping].Load() == 1 })

	// The address is free for who opens it anew: the flow makes room.
	again := r.listen(s.Addr().String())
	if f := r.flow(0); !f.closed || f.why != engine.Killed {
		t.Fatalf("the flow is %+v; want it ended", f)
	}
	c.say([]byte("three"))
	c.hears([]byte("three"))
	if _, err := r.Listen(context.Background(), again.Addr()); err == nil {
		t.Error("an address that is served can be opened twice")
	}
}

// Drain refuses new flows and waits for the others; Kill ends them.
func TestDrainAndKill(t *testing.T) {
	echo := server(t, "127.0.0.1:0", true)
	r := newRig(t, Config{}, echo.addr())
	at := r.listen("127.0.0.1:0").Addr()
	idle := r.listen("127.0.0.1:0")
	stays, ends := client(t, "", at), client(t, "", at)
	for i, c := range []*peer{ends, stays} {
		c.say([]byte("hello"))
		c.hears([]byte("hello"))
		r.until("the answer is noted", func() bool { return r.flow(i).answered == 1 && unansweredOf(r) == 0 })
	}
	r.Drain()
	client(t, "", at).say([]byte("late"))
	r.until("it is refused", func() bool { return r.refused[engine.Stopping].Load() == 1 })
	free, err := r.Listen(context.Background(), idle.Addr())
	if err != nil {
		t.Fatalf("a socket without flows is still open: %v", err)
	}
	free.Close()
	r.pass(30 * time.Second)
	stays.say([]byte("still"))
	stays.hears([]byte("still"))
	r.pass(31 * time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Wait(ctx); err == nil || r.Open() != 1 || !r.flow(0).closed || r.flow(1).closed {
		t.Fatalf("Wait: %v with %d flows open; want one that was not idle", err, r.Open())
	}
	r.Kill()
	if err := r.Wait(context.Background()); err != nil || r.flow(1).why != engine.Killed {
		t.Errorf("Wait: %v, the flow is %+v; want it killed", err, r.flow(1))
	}
}

// A fault of a core ends its flow and no other.
func TestPanicEndsItsFlow(t *testing.T) {
	told := make(chan string, 1)
	echo := server(t, "127.0.0.1:0", true)
	r := newRig(t, Config{OnPanic: func(_ string, v any, stack []byte) { told <- fmt.Sprintf("%v %v", v, len(stack) > 0) }}, echo.addr())
	at := r.listen("127.0.0.1:0").Addr()
	other, c := client(t, "", at), client(t, "", at)
	other.say([]byte("one"))
	other.hears([]byte("one"))
	r.mu.Lock()
	r.panics = true
	r.mu.Unlock()
	c.say([]byte("broken"))
	if got := <-told; got != "the core breaks true" {
		t.Errorf("told of %q", got)
	}
	r.until("the flow is gone", func() bool { return r.Open() == 1 })
	if f, g := r.flow(0), r.flow(1); !g.abandoned || g.closed || f.abandoned {
		t.Errorf("the flows are %+v and %+v; want the second one to give back what it holds", f, g)
	}
	other.say([]byte("two"))
	other.hears([]byte("two"))
	c.say([]byte("anew"))
	c.hears([]byte("anew"))
	if r.Panics() != 1 || r.count() != 3 {
		t.Errorf("%d panics, %d flows; want 1, 3", r.Panics(), r.count())
	}
}

// What one side may say and the network of the other cannot carry is dropped and
// counted, and the flow goes on.
func TestTooLongForTheOtherSide(t *testing.T) {
	const longest = 65527 // over IPv6; 65507 over IPv4
	t.Run("client", func(t *testing.T) {
		s := server(t, "127.0.0.1:0", true)
		r := newRig(t, Config{}, s.addr())
		c := client(t, "", r.listen("[::1]:0").Addr())
		c.say(make([]byte, longest))
		r.until("it is dropped", func() bool { return r.flow(0).dropped == 1 })
		c.say([]byte("short"))
		c.hears([]byte("short"))
		if f := r.flow(0); f.sent != 1 || f.unreached != 0 {
			t.Errorf("the flow is %+v; want one datagram sent, no server given up", f)
		}
	})
	t.Run("server", func(t *testing.T) {
		s := server(t, "[::1]:0", false)
		r := newRig(t, Config{}, s.addr())
		c := client(t, "", r.listen("127.0.0.1:0").Addr())
		c.say([]byte("ask"))
		port := s.hears([]byte("ask"))
		for _, text := range [][]byte{make([]byte, longest), []byte("short")} {
			if _, err := s.WriteToUDPAddrPort(text, port); err != nil {
				t.Fatal(err)
			}
		}
		c.hears([]byte("short"))
		if f := r.flow(0); f.answered != 2 || f.dropped != 1 {
			t.Errorf("the flow is %+v; want two answers, one dropped", f)
		}
	})
}
