//go:build linux

package reactor

import (
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"casbah/balance"
	"casbah/engine"
	"casbah/engine/bounds"
)

// turnEvents is how many events one turn takes.
const turnEvents = 256

// edge is what a connection is registered for, once.
const edge = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// loop is one event loop. All fields but those behind mu are its own.
type loop struct {
	engine  *Engine
	epfd    int
	wakefd  int
	reserve int   // a descriptor to give up; -1: none
	now     int64 // of the turn
	at      *conn // whose turn it is; for whom a panic is

	legs      []*leg // by descriptor
	gen       uint32 // of the descriptor registered last
	conns     []*conn
	open      atomic.Int64      // how many; for who asks
	lag       lag               // likewise
	acceptors map[int]*acceptor // by descriptor
	unmute    int64             // when muted ones are listened to again; 0: none is muted
	refusing  int               // connections that are being told why they are refused

	events      [turnEvents]unix.EpollEvent
	event, last int    // the next of events, and their end
	ready       []*leg // to be read without an event
	dirty       []*leg // to be written
	shaking     queue  // handshakes with something to do
	wheel       wheel

	shelves map[*balance.Endpoint]*shelf
	parked  int   // on all shelves
	expiry  int64 // when shelves are looked at again
	buffers buffers
	pipes   pipes
	scratch []byte // of one read
	cipher  []byte // of one read of TLS

	draining, over bool

	mu     sync.Mutex // guards the fields below; held for an append or a swap, and for what wakes the loop
	posted []func()   // to be called by the loop
	closed bool       // it is not going to
	tasks  []func()   // being called; the loop's own
}

// run is the goroutine of a loop.
func (lp *loop) run() {
	lp.now = lp.engine.clock()
	lp.wheel.tick = lp.now >> slotBits
	for !lp.over {
		lp.turns()
	}
	lp.close()
}

// turns takes turns until the loop is over or a core panics, which ends the
// connection of that core alone: what is left of the turn is made up for in the
// next one.
func (lp *loop) turns() {
	lp.guard(func() {
		for !lp.over {
			lp.turn()
		}
	})
}

// guard calls f and ends the connection whose core panics in it.
func (lp *loop) guard(f func()) {
	defer func() {
		if c := lp.at; c != nil {
			if value := recover(); value != nil {
				lp.engine.faults.Note(value, lp.engine.cfg.OnPanic)
				c.fault()
			}
		}
	}()
	f()
}

// turn takes what has happened, then writes what came of it: readers that are
// ready go before writes, so that writes follow each other and find their peers
// awake. A handshake makes one step in a turn, so that plain connections wait
// for one at most.
func (lp *loop) turn() {
	if lp.event == lp.last {
		lp.poll()
	}
	for lp.event < lp.last {
		ev := &lp.events[lp.event]
		lp.event++
		lp.dispatch(ev)
	}
	lp.readReady()
	lp.keepTime()
	lp.flush()
	if l := lp.shaking.pop(); l != nil {
		l.stepHandshake()
		lp.flush()
	}
}

// dispatch handles one event.
func (lp *loop) dispatch(ev *unix.EpollEvent) {
	l := lp.legOf(ev)
	if l == nil {
		if ev.Pad == 0 {
			lp.dispatchOther(int(ev.Fd))
		}
		return // it was closed in this turn
	}
	switch {
	case l.conn == nil:
		if l.hot || l.hup {
			lp.dropParked(l)
		}
	case !l.up:
		l.tryConnected()
	default:
		room := l.blocked && ev.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0
		if room {
			l.blocked = false
			l.mark()
		}
		switch {
		case l.hot && l.mayRead():
			l.pump()
		case l.hot && !room:
			l.spurn()
		}
	}
}

// dispatchOther handles an event of what is no connection.
func (lp *loop) dispatchOther(fd int) {
	if fd == lp.wakefd {
		lp.call()
		return
	}
	if a := lp.acceptors[fd]; a != nil {
		lp.acceptSome(a)
	}
}

// legOf returns the leg that an event is for; nil if there is none any more.
func (lp *loop) legOf(ev *unix.EpollEvent) *leg {
	if int(ev.Fd) >= len(lp.legs) {
		return nil
	}
	if l := lp.legs[ev.Fd]; l != nil && l.gen == uint32(ev.Pad) {
		return l
	}
	return nil
}

// readReady reads legs that may be read on. What they make ready is for the
// next turn.
func (lp *loop) readReady() {
	n := len(lp.ready)
	for i := range n {
		l := lp.ready[i]
		lp.ready[i] = nil
		if l == nil { // read before a panic
			continue
		}
		l.ready = false
		if l.fd >= 0 && l.conn != nil && l.hot && l.mayRead() {
			l.pump()
		}
	}
	if n > 0 {
		lp.ready = append(lp.ready[:0], lp.ready[n:]...)
	}
}

// flush writes until nobody has anything to write that a socket takes.
func (lp *loop) flush() {
	for i := 0; i < len(lp.dirty); i++ { // a flush may add legs
		l := lp.dirty[i]
		lp.dirty[i] = nil
		if l != nil {
			l.flush()
		}
	}
	lp.dirty = lp.dirty[:0]
}

// keepTime does what is due by the clock.
func (lp *loop) keepTime() {
	lp.wheel.sweep(lp.now, (*conn).sweep)
	if lp.unmute != 0 && lp.now >= lp.unmute {
		lp.unmuteAll()
	}
	if lp.parked > 0 && lp.now >= lp.expiry {
		lp.expireParked(lp.now)
		lp.expiry = lp.now + int64(bounds.ParkTime)/4
	}
}

// add takes c into the list of connections.
func (lp *loop) add(c *conn) {
	c.index = int32(len(lp.conns))
	lp.conns = append(lp.conns, c)
	lp.open.Store(int64(len(lp.conns)))
}

// drop takes c out of it, and counts it out.
func (lp *loop) drop(c *conn) {
	last := len(lp.conns) - 1
	moved := lp.conns[last]
	lp.conns[c.index] = moved
	moved.index = c.index
	lp.conns[last] = nil
	lp.conns = lp.conns[:last]
	lp.open.Store(int64(last))
	c.index = -1
	if !c.admitted {
		lp.refusing--
		return
	}
	c.ln.Leave()
	lp.engine.sources.Leave(c.source)
	lp.engine.leave()
}

// register watches the socket of l.
func (lp *loop) register(l *leg) unix.Errno {
	fd := int(l.fd)
	if fd >= len(lp.legs) {
		grown := make([]*leg, max(fd+1, 2*len(lp.legs)))
		copy(grown, lp.legs)
		lp.legs = grown
	}
	if lp.gen++; lp.gen == 0 { // it stands for what is no connection
		lp.gen = 1
	}
	l.gen = lp.gen
	lp.legs[fd] = l
	return watch(lp.epfd, fd, edge, l.gen)
}

// forget ends that; events that were taken already find nobody.
func (lp *loop) forget(l *leg) {
	if int(l.fd) < len(lp.legs) && lp.legs[l.fd] == l {
		lp.legs[l.fd] = nil
	}
}

// tell tells all cores of why, which is the end of all of them.
func (lp *loop) tell(why engine.Cause) {
	lp.draining = true
	lp.tellAll(why)
}

// tellAll tells all cores of why, and closes what is parked. One that panics ends
// its own connection alone.
func (lp *loop) tellAll(why engine.Cause) {
	lp.shutParked()
	for _, c := range slices.Clone(lp.conns) { // they leave the list as they end
		if c.index >= 0 {
			lp.guard(func() { c.tell(why) })
		}
	}
}

// post has the loop call f, and reports whether there is a loop that can.
func (lp *loop) post(f func()) bool {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	if lp.closed {
		return false
	}
	lp.posted = append(lp.posted, f)
	one := [8]byte{1}
	_, _ = unix.Write(lp.wakefd, one[:]) // full, it is awake
	return true
}

// call calls what was posted.
func (lp *loop) call() {
	var n [8]byte
	_, _ = unix.Read(lp.wakefd, n[:])
	lp.mu.Lock()
	lp.tasks = append(lp.tasks, lp.posted...)
	lp.posted = lp.posted[:0]
	lp.mu.Unlock()
	for len(lp.tasks) > 0 {
		f := lp.tasks[0]
		lp.tasks = lp.tasks[1:]
		f()
	}
	lp.tasks = nil
}

// close gives back what the loop holds.
func (lp *loop) close() {
	lp.mu.Lock()
	lp.closed = true
	lp.mu.Unlock()
	lp.call()            // what was posted until now, for which somebody may wait
	lp.tell(engine.Kill) // those that are being refused
	lp.shutParked()
	lp.pipes.close()
	for _, fd := range []int{lp.reserve, lp.wakefd, lp.epfd} {
		if fd >= 0 {
			closeFD(fd)
		}
	}
}

// queue is a list of legs, first in, first out.
type queue struct {
	legs []*leg
	next int
}

// push appends l. A queue that is never empty makes room at its front: it holds no
// more than twice what it had at once.
func (q *queue) push(l *leg) {
	if n := len(q.legs); n == cap(q.legs) && q.next > n/2 {
		rest := copy(q.legs, q.legs[q.next:])
		clear(q.legs[rest:])
		q.legs, q.next = q.legs[:rest], 0
	}
	q.legs = append(q.legs, l)
}

// pop returns the first leg; nil if there is none.
func (q *queue) pop() *leg {
	if q.next == len(q.legs) {
		return nil
	}
	l := q.legs[q.next]
	q.legs[q.next] = nil
	if q.next++; q.next == len(q.legs) {
		q.legs, q.next = q.legs[:0], 0
	}
	return l
}

func (q *queue) empty() bool { return q.next == len(q.legs) }

// keepAlive turns probes on for the legs of a connection that lives long
// enough to be swept. Short-lived ones do without the system calls.
func (c *conn) keepAlive() {
	for _, l := range c.legs {
		if l == nil || l.kept || !l.up {
			continue
		}
		l.kept = true
		fd := int(l.fd)
		silence, interval := bounds.Probes(fd)
		setOption(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(silence.Seconds()))
		setOption(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(interval.Seconds()))
		setOption(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1) // the last: it begins the time
	}
}

// fault ends a connection whose core has panicked.
func (c *conn) fault() {
	engine.Abandon(c.core)
	c.core = nil
	c.due, c.parks = false, false
	c.resetAll()
	for c.closed != nil {
		c.closed.abort()
	}
	c.settle()
}

var _ engine.Driver = (*conn)(nil)
