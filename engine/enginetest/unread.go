package enginetest

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"casbah/balance"
	"casbah/engine"
)

// parts sends text over TLS as records of which each comes in two parts.
type parts struct {
	cut   int           // octets of the first
	texts []string      // one for each record
	came  chan struct{} // told when a first part has come to the peer
	goOn  chan struct{} // asks for the second
}

// send sends all over nc, which is TLS over g.
func (p *parts) send(t *trial, nc net.Conn, g *gatherer) {
	for _, text := range p.texts {
		g.on, g.out = true, nil
		if _, err := nc.Write([]byte(text)); err != nil {
			t.Error(err)
			return
		}
		g.on = false
		at := min(p.cut, len(g.out)-1)
		_, _ = g.Conn.Write(g.out[:at])
		delivered(g.Conn)
		p.came <- struct{}{}
		select {
		case <-p.goOn:
		case <-t.Context().Done():
			return
		}
		_, _ = g.Conn.Write(g.out[at:])
	}
}

// leaver is a core that leaves the first octets of leg from unused, and has them
// offered again whenever it is asked to.
type leaver struct {
	Toy
	from   engine.Leg
	use    int // of each offer but the last
	offers chan string
	again  atomic.Bool // asks for them
}

func newLeaver(from engine.Leg, use int, end string, up *balance.Endpoint) *leaver {
	c := &leaver{from: from, use: use, offers: make(chan string, 64)}
	c.OnOpen = func(now int64, d engine.Driver) {
		if from != engine.Client {
			d.Dial(up, false)
		}
		d.Wake(now + 1)
	}
	c.OnBytes = func(_ engine.Leg, p []byte, _ engine.Driver) int {
		c.offers <- string(p)
		if strings.HasSuffix(string(p), end) {
			return len(p)
		}
		return min(c.use, len(p))
	}
	c.OnTick = func(now int64, _ engine.Cause, d engine.Driver) {
		if c.again.Swap(false) {
			d.Hold(c.from, true)
			d.Hold(c.from, false)
		}
		d.Wake(now + int64(time.Millisecond))
	}
	return c
}

// unreadAndPart leaves octets unread on a leg of TLS while parts of records come,
// of which a read yields nothing: they are offered again, with what follows, and
// neither lost nor doubled.
func unreadAndPart(t *trial) {
	for _, from := range []engine.Leg{engine.Client, 1} {
		for i, cut := range []int{1, 5, 9, 1 << 20} { // in the header, behind it, within the record, before its last octet
			use := i % 2
			t.run(fmt.Sprintf("leg=%d/cut=%d/use=%d", from, cut, use), func(t *trial) { unreadOn(t, from, cut, use) })
		}
	}
}

// unreadOn is unreadAndPart on one leg, whose core uses some octets of each offer.
func unreadOn(t *trial, from engine.Leg, cut, use int) {
	p := &parts{
		cut: cut, texts: []string{"first", "second", strings.Repeat("l", 1000), "end"}, // each fits the first record of crypto/tls
		came: make(chan struct{}, 8), goOn: make(chan struct{}, 8),
	}
	if from == engine.Client {
		core := newLeaver(from, use, "end", nil)
		s := t.start(engine.Config{}, overTLS.listener(Fixed(core)))
		g := &gatherer{Conn: Dial(t, s.at)}
		nc := tls.Client(g, ClientTLS())
		if err := nc.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		go p.send(t, nc, g)
		core.expectParts(t, p)
		return
	}
	up := Upstream(t, false, func(raw net.Conn) {
		g := &gatherer{Conn: raw}
		nc := tls.Server(g, ServerTLS())
		if nc.Handshake() == nil { //nolint:noctx // the end of the test closes it
			p.send(t, nc, g)
			Discard(nc)
		}
	})
	up.TLS = ClientTLS()
	core := newLeaver(from, use, "end", up)
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
	Dial(t, s.at)
	core.expectParts(t, p)
}

// expectParts wants the offers of what comes in parts.
func (c *leaver) expectParts(t *trial, p *parts) {
	t.Helper()
	unread := ""
	for _, text := range p.texts {
		if Receive(t, p.came, "part"); unread != "" {
			c.again.Store(true)
			unread = c.expectOffer(t, unread, "a part has come")
		}
		p.goOn <- struct{}{}
		unread = c.expectOffer(t, unread+text, "the rest has come")
	}
	if len(c.offers) > 0 {
		t.Errorf("offered %.20q besides", <-c.offers)
	}
}

// expectOffer wants one offer, and returns what the core leaves of it.
func (c *leaver) expectOffer(t *trial, want, when string) (left string) {
	t.Helper()
	if got := Receive(t, c.offers, "offer when "+when); got != want {
		t.Fatalf("%d octets %.20q were offered when %s; want %d, %.20q", len(got), got, when, len(want), want)
	}
	return want[min(c.use, len(want)):]
}
