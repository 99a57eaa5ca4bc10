//go:build linux

package reactor

import (
	"casbah/balance"
	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/internal/pacing"
)

// leg is one connection of a core, or one that is parked. It holds memory for
// octets only while there are any.
type leg struct {
	loop      *loop
	conn      *conn // nil while parked
	fd        int32 // -1: not open
	gen       uint32
	id        engine.Leg
	endpoint  *balance.Endpoint // nil is the client
	tls       *session          // nil is plain
	discarded int32             // octets read since it is gone
	dropped   int32             // octets that StartTLS discarded
	tied      uint64            // see engine.Driver; 0: to nobody
	until     int64             // deadline of the driver's own for this leg; 0: none
	next      *leg              // in the list of closed ones of the conn, or on a shelf

	// Reading. What the core has not used is unread; it lies in the buffer in,
	// or, during a turn of this leg, in the scratch of the loop.
	unread []byte
	in     *buffer
	move   move

	// Writing: what is in the pipe goes first, then out.
	out     *buffer
	pipe    *pipe
	bulk    pacing.Meter // of what goes through pipes
	werr    error        // why nothing can be sent any more
	failure error        // End with it is due, after all else

	state
}

// state is what a leg remembers in single bits.
type state struct {
	// The socket.
	up      bool // connected
	hot     bool // there may be something to read
	hup     bool // the peer has closed: a short read does not prove the socket empty
	blocked bool // the socket took no more; an event tells when it does
	eof     bool // reading has met the end
	kept    bool // keep-alive probes are on
	spurned bool // an event of octets came while they were not to be read
	muted   bool // no more of these come

	// What the core has been told, and is due to be told.
	dial    dialState
	reused  bool // it was parked before
	held    bool // by the core
	offer   bool // unread octets are due at Bytes
	fin     bool // End(nil) is due
	drained bool // Drained is due
	start   startState
	drops   bool // StartTLS discards what is unread

	// Writing.
	full    bool // Send answered full since the last Drained
	half    bool // FIN follows what was sent
	finSent bool
	dirty   bool // in the list of legs to be written
	ready   bool // in the list of legs to be read
	shaking bool // in the list of handshakes with something to do

	// The end.
	gone    bool // closed by the core, or reported as failed
	parking bool // closed by Park, which is not settled
	lingers bool // waits for the peer to take the last octets
}

// dialState is how far a leg is with its Dial.
type dialState uint8

const (
	noDial   dialState = iota // Dialed is not due: the client, or answered
	dialling                  // connect or handshake go on
	dialDone                  // Dialed is due
)

// newLeg makes leg id of c.
func (c *conn) newLeg(id engine.Leg, fd int) *leg {
	l := &leg{loop: c.loop, conn: c, id: id, fd: int32(fd)}
	c.legs[id] = l
	c.open++
	return l
}

// step calls the core with one thing that is due at l, and reports whether
// there was one.
func (l *leg) step(c *conn) bool {
	unread := len(l.unread) > 0
	waits := unread && (l.offer || l.held || l.move.to != nil) // for its core
	switch {
	case l.dial == dialDone:
		l.dialed(c)
	case l.start != noStart:
		return l.stepStart(c)
	case l.move.to != nil && unread && !l.held && l.move.to.queued() <= bounds.Full:
		l.moveUnread(c)
	case l.move.to == nil && l.move.moved > 0:
		l.reportMove(c)
	case l.move.to == nil && unread && l.offer && !l.held:
		l.offerUnread(c)
	case l.fin && !waits:
		l.ended(c)
	case l.failure != nil && (l.werr != nil || !waits):
		l.failed(c)
	case l.drained:
		l.drained = false
		c.core.Drained(l.loop.now, l.id, c)
	default:
		return false
	}
	return true
}

// dialed answers Dial.
func (l *leg) dialed(c *conn) {
	l.dial = noDial
	if err := l.failure; err != nil {
		l.failure = nil
		c.detach(l) // its number is free for a Dial within the call
		c.core.Dialed(l.loop.now, l.id, false, err, c)
		l.shut()
		return
	}
	c.core.Dialed(l.loop.now, l.id, l.reused, nil, c)
}

// offerUnread calls Bytes.
func (l *leg) offerUnread(c *conn) {
	l.offer = false
	p := l.unread
	used := c.core.Bytes(l.loop.now, l.id, p, c)
	if used < 0 || used > len(p) {
		panic("BUG: a core used octets that it was not offered")
	}
	if l.fd >= 0 {
		l.unread = p[used:]
	}
}

// ended calls End for a FIN.
func (l *leg) ended(c *conn) {
	l.fin = false
	l.move.to = nil
	c.reportMoves()
	if !l.gone {
		c.core.End(l.loop.now, l.id, nil, c)
	}
}

// failed calls End with an error; l is gone when it returns.
func (l *leg) failed(c *conn) {
	err := l.failure
	l.failure = nil
	l.move.to = nil
	c.reportMoves()
	if l.gone {
		return
	}
	c.sendOff(l)
	c.core.End(l.loop.now, l.id, err, c)
	if !l.gone {
		c.detach(l)
	}
	l.abort()
}

// shut closes the socket of l and gives back what it holds. The connection
// counts one leg less; who calls it ends its turn by conn.settle.
func (l *leg) shut() {
	lp := l.loop
	if l.fd >= 0 {
		lp.forget(l)
		closeFD(int(l.fd))
		l.fd = -1
	}
	lp.buffers.put(l.in)
	lp.buffers.put(l.out)
	if l.pipe != nil {
		l.loop.pipes.discard(l.pipe)
	}
	if l.tls != nil {
		l.tls.close(lp)
	}
	l.in, l.out, l.pipe, l.unread = nil, nil, nil, nil
	l.until = 0
	if c := l.conn; c != nil {
		l.conn = nil
		c.dropClosed(l)
		c.open--
	}
}

// abort resets l: what was not sent is lost.
func (l *leg) abort() {
	if l.fd >= 0 && l.up {
		setNoLinger(int(l.fd))
	}
	l.shut()
}
