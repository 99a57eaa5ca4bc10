package netconn

import (
	"net"
	"net/netip"
	"slices"
	"sync"

	"casbah/engine"
)

// conn is one client connection: its core and the legs of that.
type conn struct {
	engine  *Engine
	ln      *engine.Listener
	source  netip.Addr // where it counts
	proxied bool       // a PROXY header comes first
	stream  bool       // it is a part of another connection

	client *leg // whose goroutine serves c

	mu      sync.Mutex // guards the fields below, and those of the legs that this owns
	core    engine.Core
	info    engine.Conn
	now     int64               // of the turn
	alarm   alarm               // the deadline set by Wake
	legs    []*leg              // by number; nil is free
	first   [2]*leg             // what legs begins with
	closed  []*leg              // closed by the core, and not gone yet
	open    int                 // legs that are not gone
	reader  *leg                // whose reader's turn this is, if one's
	spent   *buffer             // of the reader whose leg this turn has parked: a direct write may be from it still
	dirty   *leg                // the first of the legs with something to write and no writer
	due     bool                // something is due at a leg, or a tick
	parks   bool                // a leg in closed is to be parked
	ticks   [engine.Causes]bool // by cause: Tick is due
	killed  bool                // Tick(Kill) was due
	over    bool                // every leg is gone, and the engine has been told
	session engine.Session      // that serves it in place of a core; nil: none does
	fired   func()              // c.fire, made once
}

// newConn returns the connection of a client that is being let in.
func newConn(e *Engine, ln *engine.Listener, nc net.Conn) *conn {
	c := &conn{engine: e, ln: ln}
	c.fired = c.fire
	c.legs = c.first[:1]
	c.info.Remote = addrPort(nc.RemoteAddr())
	c.info.Local = addrPort(nc.LocalAddr())
	c.proxied = ln.Trusts(c.info.Remote.Addr())
	c.client = c.newLeg(engine.Client)
	c.client.wire = &wire{sock: newSocket(nc)}
	return c
}

// addrPort returns a as core and limits use it; not valid for what is no TCP
// address.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// serve is the goroutine of a connection: what comes before the core, then the
// reader of the client.
func (c *conn) serve() {
	l := c.client
	reason, panicked := c.tryGreet(l.wire)
	if panicked || reason != 0 {
		c.decline(l, reason, panicked)
		return
	}
	if c.multiplexed() {
		c.serveSession()
		return
	}
	c.mu.Lock()
	c.now = c.engine.clock()
	c.begin()
	c.leave()
	l.readLoop(&c.engine.hangups)
}

// tryGreet is greet, of which the callbacks of TLS may panic.
func (c *conn) tryGreet(w *wire) (reason engine.Reason, panicked bool) {
	defer func() {
		if value := recover(); value != nil {
			panicked = true
			c.engine.faults.Note(value, c.engine.cfg.OnPanic)
		}
	}()
	return c.greet(w), false
}

// begin makes the core. Its first tick lets it set a deadline for a client that
// never says anything.
func (c *conn) begin() {
	defer c.rescue()
	if !c.killed {
		c.core = c.ln.New(c.info)
		c.ticks[engine.Deadline], c.due = true, true
	}
}

// decline ends a connection that got no core, by a reset if it panicked.
func (c *conn) decline(l *leg, reason engine.Reason, panicked bool) {
	c.mu.Lock()
	polite := reason == engine.SourceFull && !l.shut
	if !l.gone { // else by Kill
		c.detach(l)
	}
	l.reading = false
	switch {
	case panicked:
		c.abort(l)
	case polite:
		l.shut = true // the refusal closes it
	}
	c.release(l)
	c.unlock()
	switch {
	case panicked:
	case polite:
		c.engine.refuse(l.wire.sock.Conn, c.ln, reason)
	default:
		c.ln.Refused(reason)
	}
}

// tick is a turn: the core is told of why. What Kill finds open after that is
// reset.
func (c *conn) tick(why engine.Cause) {
	if c.stream && why == engine.Drain {
		return // it ends with its request, and the client would take its end for the answer
	}
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.now = c.engine.clock()
	c.ticks[why] = true
	c.due = true
	if why == engine.Kill {
		c.killed = true
		for _, l := range slices.Clone(c.closed) { // abort may take it from there
			c.abort(l)
		}
	}
	c.run()
	if why == engine.Kill {
		c.resetAll()
	}
	session, dirty := c.session, c.takeDirty()
	c.unlock()
	if dirty != nil { // who tells all connections waits for no peer
		c.engine.running.Go(func() { c.flush(dirty) })
	}
	if session != nil && why == engine.Drain {
		session.Drain()
	}
}

// fire is the turn of the timer.
func (c *conn) fire() {
	c.mu.Lock()
	c.now = c.engine.clock()
	if c.alarm.fired(c.now) && !c.over {
		c.ticks[engine.Deadline] = true
		c.due = true
	}
	c.leave()
}

// leave ends a turn that is no reader's: the core is called for what is due,
// then the mutex is released and what was sent is written.
func (c *conn) leave() {
	c.run()
	dirty := c.takeDirty()
	c.unlock()
	c.flush(dirty)
}

// run calls the core until nothing is due. A panic of the core ends this
// connection alone.
func (c *conn) run() {
	defer c.rescue()
	for c.due && c.core != nil {
		c.due = false
		for why, due := range c.ticks {
			if due {
				c.ticks[why] = false
				c.reportMoves()
				c.core.Tick(c.now, engine.Cause(why), c)
			}
		}
		for i := 0; i < len(c.legs); i++ { // a call may add legs
			for l := c.legs[i]; l != nil && c.legs[i] == l && l.step(c); {
			}
		}
	}
	c.settleParks()
}

// rescue is deferred around calls of the core.
func (c *conn) rescue() {
	value := recover()
	if value == nil {
		return
	}
	c.engine.faults.Note(value, c.engine.cfg.OnPanic)
	c.ruin()
}

// ruin ends the connection after a panic.
func (c *conn) ruin() {
	engine.Abandon(c.core)
	c.core = nil
	c.due, c.parks = false, false
	c.resetAll()
	for _, l := range slices.Clone(c.closed) {
		if l.parking {
			c.abort(l)
		}
	}
}

// resetAll resets every leg that is still the core's.
func (c *conn) resetAll() {
	for _, l := range c.legs {
		if l != nil {
			c.detach(l)
			c.abort(l)
		}
	}
}

// unlock releases the mutex, arms the timer, and ends the connection if its
// last leg is gone.
func (c *conn) unlock() {
	over := c.open == 0 && !c.over
	if over {
		c.over = true
		c.alarm.stop()
	}
	if !c.over {
		c.alarm.arm(c.now, c.fired)
	}
	c.mu.Unlock()
	if over {
		c.engine.forget(c)
	}
}
