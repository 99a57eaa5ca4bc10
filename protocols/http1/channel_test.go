package http1

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"casbah/engine"
	"casbah/persistence"
	"casbah/protocols/rpchttp"
	"casbah/route"
)

var (
	virtual = rpchttp.Cookie{7}
	connA1  = string(rpchttp.AppendConnA1(nil, virtual, rpchttp.Cookie{1}))
	connB1  = string(rpchttp.AppendConnB1(nil, virtual, rpchttp.Cookie{2}, rpchttp.Cookie{3}))
)

const (
	outHead = "RPC_OUT_DATA /rpc/rpcproxy.dll?mbx:6001 HTTP/1.1\r\nHost: h\r\nContent-Length: 76\r\n"
	inHead  = "RPC_IN_DATA /rpc/rpcproxy.dll?mbx:6001 HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n"
	success = "HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: 1073741824\r\n\r\n"
)

var byConnection = persistence.Step{By: persistence.RPCConnection}

// from returns a connection of a client at that address.
func (s *site) from(tb testing.TB, address string) *fake {
	tb.Helper()
	conn := s.conn
	conn.Remote = netip.MustParseAddrPort(address + ":40000")
	return newFake(tb, &s.cur, conn)
}

// splits returns the splits that were counted, by cause.
func (s *site) splits() (total uint64, by string) {
	for i := range s.vip.Counters.RPC.Splits {
		if n := s.vip.Counters.RPC.Splits[i].Load(); n > 0 {
			total += n
			by += route.SplitCause(i).String()
		}
	}
	return total, by
}

// Both channels come to one server whatever their addresses and whichever comes
// first, in whatever pieces their octets come.
func TestChannelsMeet(t *testing.T) {
	for _, tt := range []struct{ name, first, second string }{
		{"out-first", outHead + "\r\n" + connA1, inHead + "\r\n" + connB1},
		{"in-first", inHead + "\r\n" + connB1, outHead + "\r\n" + connA1},
		{"basic", outHead + "Authorization: Basic YTpi\r\n\r\n" + connA1, inHead + "Authorization: Basic YTpi\r\n\r\n" + connB1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= len(tt.first); size++ {
				s := newSite(t, byConnection, persistence.Step{By: persistence.SourceIP})
				first, second, third := s.from(t, "198.51.100.1"), s.from(t, "198.51.100.2"), s.from(t, "198.51.100.3")
				third.fromClient("GET /rpc/ HTTP/1.1\r\nHost: h\r\n\r\n") // moves the turn on
				first.inParts(tt.first, size)
				second.inParts(tt.second, size)
				if a, b := first.last().endpoint.Name, second.last().endpoint.Name; a != b || len(first.log) != 1 || len(second.log) != 1 {
					t.Fatalf("in parts of %d: the channels are on %s and %s", size, a, b)
				}
				if got := second.last().take(); !strings.HasSuffix(got, tt.second[len(tt.second)-76:]) {
					t.Fatalf("in parts of %d: the server got %q", size, got)
				}
				if n, _ := s.splits(); n != 0 || s.vip.Counters.RPC.Connections.Load() != 1 || s.vip.Counters.RPC.Channels.Load() != 2 {
					t.Fatalf("in parts of %d: %d splits, %d connections of %d channels; want 0, 1, 2", size, n,
						s.vip.Counters.RPC.Connections.Load(), s.vip.Counters.RPC.Channels.Load())
				}
			}
		})
	}
}

// inParts is what a client sends in pieces of that size.
func (f *fake) inParts(text string, size int) {
	for len(text) > 0 {
		n := min(size, len(text))
		f.fromClient(text[:n])
		text = text[n:]
	}
}

// A chunked body shows its PDU through its framing.
func TestChannelInChunks(t *testing.T) {
	s := newSite(t, byConnection)
	out := s.from(t, "198.51.100.1")
	out.fromClient(outHead + "\r\n" + connA1)
	in := s.from(t, "198.51.100.2")
	in.fromClient("RPC_IN_DATA /rpc/rpcproxy.dll?mbx:6001 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, octet := range connB1 {
		in.fromClient("1;x\r\n" + string([]byte{byte(octet)}) + "\r\n")
	}
	if a, b := out.last().endpoint.Name, in.last().endpoint.Name; a != b {
		t.Errorf("the channels are on %s and %s", a, b)
	}
}

// While the first PDU decides, casbah tells the client to go on, once; the server
// is not asked for it, and its own word is not repeated.
func TestExpectationIsMetByCasbah(t *testing.T) {
	s := newSite(t, byConnection)
	f := s.open(t)
	f.fromClient(outHead + "Expect: 100-continue\r\n\r\n")
	want(t, "client got", f.client().take(), "HTTP/1.1 100 Continue\r\n\r\n")
	if len(f.log) != 0 {
		t.Fatal("a server was chosen before the first PDU")
	}
	f.fromClient(connA1[:30])
	f.fromClient(connA1[30:])
	if head := f.last().take(); strings.Contains(head, "Expect") || !strings.HasSuffix(head, connA1) {
		t.Errorf("the server got %q", head)
	}
	f.reply("HTTP/1.1 100 Continue\r\n\r\n" + success)
	want(t, "client got", f.client().take(), success)
}

// A client of HTTP/1.0 gets no 1xx, and one that sends its body at once needs none.
func TestNobodyIsToldToGoOnInVain(t *testing.T) {
	for name, text := range map[string]string{
		"1.0":     strings.Replace(outHead, "HTTP/1.1", "HTTP/1.0", 1) + "Expect: 100-continue\r\n\r\n",
		"at-once": outHead + "Expect: 100-continue\r\n\r\n" + connA1[:1],
		"not":     outHead + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := newSite(t, byConnection).open(t)
			f.fromClient(text)
			want(t, "client got", f.client().take(), "")
		})
	}
}

// A client that sends no PDU is not waited for long; what it sends then is still
// looked at.
func TestFirstPDUIsWaitedForAMoment(t *testing.T) {
	s := newSite(t, byConnection)
	f := s.open(t)
	f.fromClient(outHead + "\r\n" + connA1[:20])
	f.pass(1900 * time.Millisecond)
	if len(f.log) != 0 {
		t.Fatal("a server was chosen too early")
	}
	f.pass(200 * time.Millisecond)
	if got := f.last().take(); !strings.HasSuffix(got, "\r\n\r\n"+connA1[:20]) {
		t.Errorf("the server got %q; want the head and what of the body has come", got)
	}
	f.fromClient(connA1[20:])
	rpc := &s.vip.Counters.RPC
	if rpc.Late.Load() != 1 || rpc.Channels.Load() != 1 || rpc.Unread.Load() != 0 {
		t.Errorf("%d late, %d channels, %d unread; want 1, 1, 0", rpc.Late.Load(), rpc.Channels.Load(), rpc.Unread.Load())
	}
	in := s.from(t, "198.51.100.9")
	in.fromClient(inHead + "\r\n" + connB1)
	if a, b := f.last().endpoint.Name, in.last().endpoint.Name; a != b {
		t.Errorf("the channels are on %s and %s: what came late is not bound", a, b)
	}
}

// What is no PDU does not wait, nor does a body that is too short for one.
func TestWhatIsNoChannelIsServed(t *testing.T) {
	for name, text := range map[string]string{
		"text":      outHead + "\r\nGET",
		"echo":      strings.Replace(outHead, "76", "16", 1) + "\r\n",
		"no-length": "RPC_OUT_DATA /rpc/ HTTP/1.1\r\nHost: h\r\n\r\n",
		"short":     strings.Replace(outHead, "76", "20", 1) + "\r\n" + connA1[:20],
		"behind":    strings.Replace(outHead, "76", "20", 1) + "\r\n" + connA1, // the rest is no part of the body
		"chunks":    "RPC_IN_DATA /rpc/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"not-rpc":   "GET /rpc/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n",
		"wrong-way": inHead + "\r\n" + connA1,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, byConnection)
			f := s.open(t)
			f.fromClient(text)
			if len(f.log) != 1 {
				t.Fatal("no server was chosen")
			}
			if n := s.vip.Counters.RPC.Channels.Load(); n != 0 {
				t.Errorf("%d channels; want none", n)
			}
		})
	}
}

// A client that logs on with NTLM is not waited for: it says nothing before. Its
// channels are told apart by what the heads hold, and what they begin with is
// looked at as it passes.
func TestLoginIsNotWaitedFor(t *testing.T) {
	const login, session = "Authorization: NTLM TlRMTVNTUAAB\r\n", "Cookie: OutlookSession=\"{F2AB}\"\r\n"
	s := newSite(t, byConnection)
	out, in := s.from(t, "198.51.100.1"), s.from(t, "198.51.100.2")
	for _, c := range []struct {
		f          *fake
		head, body string
	}{{out, outHead, connA1}, {in, inHead, connB1}} {
		c.f.fromClient(c.head + login + session + "\r\n")
		if len(c.f.log) != 1 {
			t.Fatal("no server was chosen before the body")
		}
		c.f.fromClient(c.body)
	}
	if a, b := out.last().endpoint.Name, in.last().endpoint.Name; a != b {
		t.Errorf("the channels are on %s and %s; want them where OutlookSession is", a, b)
	}
	if n := s.vip.Counters.RPC.Channels.Load(); n != 2 {
		t.Errorf("%d channels; want 2", n)
	}
}

// Without anything that leads both channels to one server they are split, which
// is counted once, told, and recorded, with what led there.
func TestSplitIsCounted(t *testing.T) {
	for _, tt := range []struct {
		name, first, second string
		steps               []persistence.Step
		want                string
	}{
		{"two-addresses", "198.51.100.1", "198.51.100.2", []persistence.Step{{By: persistence.SourceIP}}, "addresses"},
		{"nothing-known", "198.51.100.1", "198.51.100.1", nil, "unbound"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.steps...)
			var told []route.Split
			s.vip.Split = func(sp route.Split) { told = append(told, sp) }
			for range 2 { // again: it is counted and not told
				out, in := s.from(t, tt.first), s.from(t, tt.second)
				out.fromClient(outHead + "\r\n" + connA1)
				in.fromClient(inHead + "\r\n" + connB1)
				if out.last().endpoint == in.last().endpoint {
					t.Fatal("the channels are together")
				}
				out.end(out.client(), errReset)
				in.end(in.client(), errReset)
			}
			if n, by := s.splits(); n != 2 || by != tt.want {
				t.Errorf("%d splits by %s; want 2 by %s", n, by, tt.want)
			}
			if len(told) != 1 || told[0].First.Out == told[0].Other.Out || told[0].First.Name == told[0].Other.Name {
				t.Errorf("told %+v; want both channels, once", told)
			}
			if !s.record(t).Split {
				t.Error("the access record does not say so")
			}
			s.idle(t)
		})
	}
}

// A channel that replaces another joins its connection, which ends with the last.
func TestReplacedChannelFollows(t *testing.T) {
	s := newSite(t, byConnection)
	out, in := s.from(t, "198.51.100.1"), s.from(t, "198.51.100.2")
	out.fromClient(outHead + "\r\n" + connA1)
	in.fromClient(inHead + "\r\n" + connB1)
	out.reply(success)
	for range 30 { // pings keep it alive
		in.pass(4 * time.Minute)
		in.fromClient(string(rpchttp.AppendPing(nil)))
	}
	for i := range 4 {
		next := s.from(t, fmt.Sprintf("198.51.100.%d", 10+i))
		next.now = in.now
		next.fromClient(strings.Replace(outHead, "76", "120", 1) + "\r\n" + string(rpchttp.AppendOutR1A3(nil, virtual, rpchttp.Cookie{1}, rpchttp.Cookie{9})))
		if a, b := next.last().endpoint.Name, out.last().endpoint.Name; a != b {
			t.Fatalf("the new channel is on %s; want %s", a, b)
		}
	}
	if n, _ := s.splits(); n != 0 || s.vip.Counters.RPC.Connections.Load() != 1 {
		t.Errorf("%d splits of %d connections; want 0 of 1", n, s.vip.Counters.RPC.Connections.Load())
	}
}

// A channel whose connection has lost the other one is ended, if the server does not
// do it: both sides of it, within five seconds, and not before both had come.
func TestHalfOpenConnectionIsEnded(t *testing.T) {
	inDies := func(out, in *fake) (dead, left *fake) { return in, out }
	outDies := func(out, in *fake) (dead, left *fake) { return out, in }
	for _, tt := range []struct {
		name string
		err  error
		dies func(out, in *fake) (dead, left *fake)
	}{
		{"in-fin", nil, inDies},
		{"in-reset", errReset, inDies},
		{"out-fin", nil, outDies},
		{"out-reset", errReset, outDies},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, byConnection)
			out, in := s.from(t, "198.51.100.1"), s.from(t, "198.51.100.2")
			out.fromClient(outHead + "\r\n" + connA1)
			out.reply(success)
			out.pass(25 * time.Second)
			if out.client().closed {
				t.Fatal("the first channel does not wait for the second")
			}
			in.now = out.now
			in.fromClient(inHead + "\r\n" + connB1)
			for range 10 {
				out.pass(10 * time.Second)
				in.pass(10 * time.Second)
			}
			if out.client().closed || in.client().closed {
				t.Fatal("a whole connection is ended")
			}
			dead, left := tt.dies(out, in)
			dead.end(dead.client(), tt.err)
			if !dead.client().closed && tt.err == nil || dead.last().how != engine.Reset {
				t.Fatalf("the dead channel: client leg closed %v, server's %v", dead.client().closed, dead.last().how)
			}
			if left.pass(5 * time.Second); !left.client().closed || left.client().how != engine.Flush || left.last().how != engine.Reset {
				t.Errorf("client leg closed %v (%v), server's %v", left.client().closed, left.client().how, left.last().how)
			}
			if got := s.record(t).End; got != route.EndPartner {
				t.Errorf("ends %v; want partner", got)
			}
			s.idle(t)
		})
	}
}

// A server ends a connection by closing its channels, IN without a response: that is no
// failure of the server, and the client is told by the end alone. Before both
// channels were there, it is.
func TestServerEndsAChannel(t *testing.T) {
	for _, whole := range []bool{true, false} {
		for name, err := range map[string]error{"fin": nil, "reset": errReset} {
			t.Run(fmt.Sprintf("whole-%v-%s", whole, name), func(t *testing.T) {
				s := newSite(t, byConnection)
				if whole {
					out := s.from(t, "198.51.100.1")
					out.fromClient(outHead + "\r\n" + connA1)
					out.reply(success)
				}
				in := s.from(t, "198.51.100.2")
				in.fromClient(inHead + "\r\n" + connB1)
				in.end(in.last(), err)
				garbage := s.vip.Counters.Refused[route.CauseGarbage].Load()
				if got := in.client().take(); whole != (got == "") || whole != (garbage == 0) || !in.client().closed {
					t.Errorf("the client got %q and is closed %v, %d counted as garbage", got, in.client().closed, garbage)
				}
				if got := s.record(t).End; got != route.EndServer {
					t.Errorf("end %v; want server", got)
				}
			})
		}
	}
}

// A channel that replaces another keeps its connection whole.
func TestReplacedChannelIsNoLostOne(t *testing.T) {
	s := newSite(t, byConnection)
	out, in := s.from(t, "198.51.100.1"), s.from(t, "198.51.100.2")
	out.fromClient(outHead + "\r\n" + connA1)
	in.fromClient(inHead + "\r\n" + connB1)
	next := s.from(t, "198.51.100.3")
	next.fromClient(strings.Replace(outHead, "76", "120", 1) + "\r\n" + string(rpchttp.AppendOutR1A3(nil, virtual, rpchttp.Cookie{1}, rpchttp.Cookie{9})))
	out.end(out.client(), errReset)
	next.pass(time.Minute)
	in.pass(time.Minute)
	if next.client().closed || in.client().closed {
		t.Errorf("OUT closed %v, IN closed %v; want neither", next.client().closed, in.client().closed)
	}
	next.end(next.client(), errReset)
	if in.pass(5 * time.Second); !in.client().closed {
		t.Error("IN outlives the successor of OUT")
	}
}

// The driver moves the rest of an endless body only behind the first PDU, which
// passes on at once, octet by octet.
func TestFirstPDUIsNotHeldBack(t *testing.T) {
	s := newSite(t)
	f := s.open(t)
	f.fromClient(inHead + "\r\n")
	f.last().take()
	for i := range 60 {
		f.fromClient(connB1[i : i+1])
		want(t, "server got", f.last().take(), connB1[i:i+1])
		if moves := f.client().to != nil; moves != (i >= 47) {
			t.Fatalf("after %d octets the driver moves: %v", i+1, moves)
		}
	}
	if n := s.vip.Counters.RPC.Channels.Load(); n != 1 {
		t.Errorf("%d channels; want 1", n)
	}
}

// A channel whose client is gone before it said anything leaves nothing behind.
func TestAbandonedWhileAwaited(t *testing.T) {
	for name, err := range map[string]error{"fin": nil, "reset": errReset} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, byConnection)
			f := s.open(t)
			f.fromClient(outHead + "\r\n" + connA1[:20])
			f.end(f.client(), err)
			if len(f.log) != 0 || s.record(t).End != route.EndClient {
				t.Errorf("%d dials, end %v; want none, client", len(f.log), s.record(t).End)
			}
			s.idle(t)
		})
	}
	s := newSite(t, byConnection)
	f := s.open(t)
	f.fromClient(outHead + "\r\n" + connA1[:20])
	f.tick(engine.Kill)
	if !f.client().closed {
		t.Error("the connection outlives the end of casbah")
	}
}

func TestChannelDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under the race detector")
	}
	s := newSite(t, byConnection)
	s.vip.Log = nil
	x := &exchange{vip: s.vip, profile: s.profile("rpc")}
	x.req.Method = []byte("RPC_OUT_DATA")
	x.request.left = 76
	body := []byte(connA1)
	var r route.Request
	if n := testing.AllocsPerRun(1000, func() {
		x.opensChannel()
		x.channel.see(body[:40], false)
		x.channel.see(body[40:], false)
		f, _ := x.channel.first()
		r.Virtual = f.Virtual
		ch := route.Channel{Server: 1}
		x.channel.circuit, _, _ = s.vip.Counters.RPC.Circuits.Join(r.Virtual, &ch)
		x.channel.looks = 1
		_ = x.channel.abandoned(1)
		x.leave()
	}); n != 0 {
		t.Errorf("%v allocations for each channel; want none", n)
	}
}
