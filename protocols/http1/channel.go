package http1

import (
	"sync"
	"time"

	"casbah/protocols/rpchttp"
	"casbah/route"
)

const (
	// firstWithin is how long the first PDU of a channel is waited for where it
	// decides: a client that is asked to go on sends it after one round trip.
	firstWithin = int64(2 * time.Second)

	// firstOctets is how much of a body is looked through for it. The PDU is short,
	// but may come in chunks.
	firstOctets = 1024

	// partnerEvery is how often a channel looks whether its connection still has one
	// of the other direction.
	partnerEvery = int64(5 * time.Second)

	// echoOctets is the longest body of a request that opens no channel: an echo,
	// or a step of a login ([MS-RPCH], Section 2.1.2.1.5).
	echoOctets = 16
)

// channel is what a request has that opens a channel of RPC over HTTP, and no
// other. The octets of the body stream by; what the channel begins with tells
// which virtual connection it belongs to.
type channel struct {
	sniffer   rpchttp.Sniffer
	chunk     chunked        // the framing up to where the sniffer has looked
	circuit   *route.Circuit // that it was joined to; nil: none
	until     int64          // the server is not chosen before the first PDU, or then; 0: it is
	looks     int64          // when it is looked for its partner next, if it was joined
	out       bool           // an OUT channel; else IN
	over      bool           // the sniffer needs no more
	continued bool           // casbah has told the client to go on with the body
	split     bool           // the other channel is on another server
}

var channels = sync.Pool{New: func() any { return new(channel) }}

// opensChannel takes note of a request that opens a channel.
func (x *exchange) opensChannel() {
	m := x.req.Method
	if len(m) < len("RPC_IN_DATA") || string(m[:4]) != "RPC_" || !x.request.chunked && x.request.left <= echoOctets {
		return // common case
	}
	x.channel = channels.Get().(*channel)
	*x.channel = channel{out: string(m) == "RPC_OUT_DATA"}
}

// awaitsFirst reports whether a server is chosen only once the channel has shown
// what it begins with. A client that logs on with NTLM or Kerberos sends nothing
// before its server has let it in.
func (c *Conn) awaitsFirst() bool {
	x := c.x
	if x.channel == nil || x.credential || !x.profile.Chain.KnowsConnections() {
		return false
	}
	x.channel.until = c.now + firstWithin
	return true
}

// waits reports whether the server is not chosen yet.
func (ch *channel) waits() bool { return ch != nil && ch.until != 0 }

// sniffs reports whether the next octets of the body are to be looked at.
func (ch *channel) sniffs() bool { return ch != nil && !ch.over }

// deadline returns when the wait for the first PDU ends, or the partner is looked
// for.
func (ch *channel) deadline() int64 {
	switch {
	case ch.waits():
		return ch.until
	case ch.joined():
		return ch.looks
	default:
		return never
	}
}

// joined reports whether the channel is of a virtual connection that is known.
func (ch *channel) joined() bool { return ch != nil && ch.circuit != nil }

// stood reports whether the channel's connection has been whole. From then on its end
// is the way in which servers end a connection, IN without a word ([MS-RPCH], Section
// 3.2.3.5.10): no failure of the server, and nothing to tell the client of.
func (ch *channel) stood() bool { return ch.joined() && ch.circuit.Stood() }

// abandoned reports whether the other channel of the connection is gone. Servers end
// this one by themselves ([MS-RPCH], Sections 3.2.3.5.10 and 3.2.5.5), as clients do
// (Section 3.2.2.5.11): where the server does not, a client without its IN channel
// would look connected for as long as the idle time, and its mail stay unsent. It is
// noticed within partnerEvery.
func (ch *channel) abandoned(now int64) bool {
	if !ch.joined() || now < ch.looks {
		return false
	}
	ch.looks = now + partnerEvery
	return ch.circuit.HalfOpen()
}

// first returns what the channel begins with, as far as that is known and is of a
// channel of its direction.
func (ch *channel) first() (rpchttp.First, bool) {
	f := ch.sniffer.First()
	return f, f.Kind != rpchttp.None && f.Kind.Out() == ch.out
}

// see takes in the next octets of the body.
func (ch *channel) see(p []byte, inChunks bool) {
	if !inChunks {
		_, ch.over = ch.sniffer.See(p)
		return
	}
	for len(p) > 0 && !ch.over {
		if n := ch.chunk.take(len(p)); n > 0 {
			_, ch.over = ch.sniffer.See(p[:n])
			p = p[n:]
			continue
		}
		if ch.chunk.octet(p[0]) != nil || ch.chunk.state == chunkedDone {
			ch.over = true
			return
		}
		p = p[1:]
	}
}

// await looks for the first PDU in p, which is what of the body has come and is
// not taken yet. Once it is there, or cannot come any more, a server is chosen.
func (c *Conn) await(p []byte) {
	x, ch := c.x, c.x.channel
	if len(p) == 0 {
		c.goOn()
		return
	}
	if !x.request.chunked { // what stands behind the body is the next request
		p = p[:min(int64(len(p)), x.request.left)]
	}
	whole := len(p) >= firstOctets || !x.request.chunked && int64(len(p)) == x.request.left
	peek := channel{}
	peek.see(p[:min(len(p), firstOctets)], x.request.chunked)
	switch {
	case peek.over:
		ch.sniffer, ch.over = peek.sniffer, true
		if f, ok := ch.first(); ok {
			x.rq.Virtual = f.Virtual
		}
	case !whole:
		return
	}
	ch.until = 0
	c.choose()
}

// goOn tells a client that waits for it to send the body. The server is not asked:
// which one it is depends on the body.
func (c *Conn) goOn() {
	x := c.x
	if !x.expect || x.req.Minor == 0 {
		return
	}
	x.expect, x.channel.continued = false, true
	c.toClient(goOn)
}

var goOn = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// awaitedInVain chooses a server by what the head holds.
func (c *Conn) awaitedInVain() {
	c.x.channel.until = 0
	c.x.vip.Counters.RPC.Late.Add(1)
	c.choose()
}

// continued reports whether casbah has told the client to go on, so that the
// server need not.
func (x *exchange) continued() bool { return x.channel != nil && x.channel.continued }

// decide chooses a server.
func (c *Conn) decide() {
	x := c.x
	if x.rq.Virtual != [16]byte{} {
		x.profile.DecideChannel(c.now, &x.rq, &x.d)
		return
	}
	x.profile.Decide(c.now, &x.rq, &x.d)
}

// sniff looks at octets of the body that have left.
func (c *Conn) sniff(p []byte) {
	ch := c.x.channel
	if !ch.sniffs() {
		return
	}
	if ch.see(p, c.x.request.chunked); ch.over {
		c.join()
	}
}

// join takes note of the virtual connection that the channel belongs to, on the
// server that has it.
func (c *Conn) join() {
	x, ch := c.x, c.x.channel
	f, ok := ch.first()
	if !ok {
		x.vip.Counters.RPC.Unread.Add(1)
		return
	}
	x.rq.Virtual = f.Virtual
	if ch.joined() { // it was sent once more
		x.vip.Counters.RPC.Circuits.Leave(ch.circuit, ch.out)
	}
	ch.circuit, ch.split = x.d.Join(c.now, x.vip, &x.rq, ch.out, f.Kind.Successor())
	ch.looks = c.now + partnerEvery
}

// leave ends what is noted of the channel.
func (x *exchange) leave() {
	ch := x.channel
	if ch == nil {
		return
	}
	if ch.circuit != nil {
		x.vip.Counters.RPC.Circuits.Leave(ch.circuit, ch.out)
	}
	x.channel = nil
	channels.Put(ch)
}
