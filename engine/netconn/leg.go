package netconn

import (
	"context"
	"sync"
	"sync/atomic"

	"casbah/balance"
	"casbah/engine"
	"casbah/engine/bounds"
)

// dialState is how far a leg is with its Dial.
type dialState uint8

const (
	noDial   dialState = iota // Dialed is not due: the client, or answered
	dialling                  // its goroutine is at it
	dialDone                  // Dialed is due
)

// leg is one connection of a core. All fields are guarded by the mutex of its
// owner but those that say otherwise.
type leg struct {
	owner    atomic.Pointer[conn] // nil while parked; changes under the owner's mutex, and from nil under that of parked
	id       engine.Leg
	endpoint *balance.Endpoint // nil is the client
	wire     *wire             // nil until dialled
	reused   bool              // it was parked before
	tied     uint64            // see engine.Driver; 0: to nobody

	// What the core has been told, and is due to be told.
	dial    dialState
	dialErr error
	cancel  context.CancelFunc // ends the dial; nil: none
	held    bool               // by the core
	offer   bool               // unread octets are due at Bytes
	finDue  bool               // End(nil) is due
	failure error              // End with it is due, after all else
	drained bool               // Drained is due
	start   *start             // a StartTLS that is not answered; nil: none

	// Reading. Octets r to w of buf are unread by the core. The reader alone
	// fills, moves and replaces buf; others take from its front.
	awake    sync.Cond // on which the reader waits; its L is the mutex of the owner
	reading  bool      // there is a reader goroutine
	waiting  bool      // it waits on awake
	readOver bool      // it has met the end
	buf      *buffer
	r, w     int
	tail     int  // where the next read begins in buf; the reader's own
	ask      int  // octets that the next read may take; the reader's own
	long     bool // a long Move runs from here; the reader's own
	move     move

	// Writing.
	out      *buffer // sent by the core, in no writer's hands yet
	direct   []byte  // before out: octets in the buffer of the reader that moves them
	flight   *buffer // what was out, in the writer's hands
	lent     []byte  // what was direct, in the writer's hands; then there is no flight
	flying   int     // octets in the writer's hands
	writing  bool    // there is a writer
	dirty    bool    // it is in the dirty list of its owner
	next     *leg    // behind it in that list
	full     bool    // Send answered full since the last Drained
	half     bool    // FIN follows what was sent
	finSent  bool
	writeErr error // why no octet can be sent any more

	// The end.
	gone      bool // closed by the core, or reported as failed
	parking   bool // closed by Park, which is not settled
	shut      bool // the socket is closed
	released  bool // counted out
	discarded int  // octets read since it is gone

	parkedIn *parked // where it was parked last
	onShelf  bool    // it is there now; guarded by the mutex of parkedIn
}

// newLeg makes leg id of c. A reader is going to follow.
func (c *conn) newLeg(id engine.Leg) *leg {
	l := &leg{id: id, reading: true, ask: small}
	l.owner.Store(c)
	l.awake.L = &c.mu
	c.legs[id] = l
	c.open++
	return l
}

// adopt makes the parked l leg id of c.
func (c *conn) adopt(l *leg, id engine.Leg) {
	// Nobody waits on awake: the reader of a parked leg is in its read.
	l.awake.L = &c.mu
	l.reused = true
	l.gone, l.held, l.half = false, false, false
	l.id = id
	c.legs[id] = l
	c.open++
}

// step calls the core with one thing that is due at l, and reports whether
// there was one.
func (l *leg) step(c *conn) bool {
	unread := l.r < l.w
	waits := unread && (l.offer || l.held || l.move.to != nil) // for its core
	switch {
	case l.dial == dialDone:
		l.dialed(c)
	case l.start != nil:
		return l.stepStart(c)
	case l.move.to != nil && unread && !l.held && l.move.to.queued() <= bounds.Full:
		l.moveUnread(c)
	case l.move.to == nil && l.move.moved > 0:
		l.reportMove(c)
	case l.move.to == nil && unread && l.offer && !l.held:
		l.offerUnread(c)
	case l.finDue && !waits:
		l.ended(c)
	case l.failure != nil && (l.writeErr != nil || !waits):
		l.failed(c)
	case l.drained:
		l.drained = false
		c.core.Drained(c.now, l.id, c)
	default:
		return false
	}
	return true
}

// dialed answers Dial.
func (l *leg) dialed(c *conn) {
	l.dial = noDial
	if err := l.dialErr; err != nil {
		c.detach(l) // its number is free for a Dial within the call
		c.core.Dialed(c.now, l.id, false, err, c)
		c.release(l)
		return
	}
	c.core.Dialed(c.now, l.id, l.reused, nil, c)
}

// offerUnread calls Bytes.
func (l *leg) offerUnread(c *conn) {
	l.offer = false
	used := c.core.Bytes(c.now, l.id, l.buf.b[l.r:l.w], c)
	if used < 0 || used > l.w-l.r {
		panic("BUG: a core used octets that it was not offered")
	}
	l.r += used
}

// ended calls End for a FIN.
func (l *leg) ended(c *conn) {
	l.finDue = false
	l.move.to = nil
	c.reportMoves()
	if !l.gone {
		c.core.End(c.now, l.id, nil, c)
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
	c.core.End(c.now, l.id, err, c)
	if !l.gone {
		c.detach(l)
	}
	c.abort(l)
}

// detach takes l from the core: its number is free, and nothing is reported of
// it any more.
func (c *conn) detach(l *leg) {
	c.legs[l.id] = nil
	c.closed = append(c.closed, l)
	l.gone = true
	l.offer, l.finDue, l.failure, l.drained = false, false, nil, false
	if l.start != nil {
		putBuffer(l.start.later)
		l.start = nil
	}
	l.move = move{}
	for _, from := range c.legs {
		if from != nil && from.move.to == l {
			from.move.to = nil
			from.offer = true
			c.due = true
			from.resume()
		}
	}
}

// release counts l out once neither the core nor a goroutine has it.
func (c *conn) release(l *leg) {
	if !l.gone || l.released || l.reading || l.writing || l.dirty {
		return
	}
	l.released = true
	l.shutdown()
	putBuffer(l.buf)
	putBuffer(l.out)
	l.buf, l.out = nil, nil
	c.dropClosed(l)
	c.open--
}

// dropClosed removes l from the list of closed legs.
func (c *conn) dropClosed(l *leg) {
	for i, other := range c.closed {
		if other == l {
			last := len(c.closed) - 1
			c.closed[i] = c.closed[last]
			c.closed[last] = nil
			c.closed = c.closed[:last]
			return
		}
	}
}
