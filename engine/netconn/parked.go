package netconn

import (
	"slices"
	"sync"
	"time"

	"casbah/balance"
	"casbah/engine/bounds"
)

// parked keeps upstream connections for reuse. The reader of each is in its
// read all the time; when that returns, the peer has sent something or closed,
// and the connection is dropped.
type parked struct {
	clock func() int64

	mu      sync.Mutex // guards the fields below; taken with a connection's mutex held, never the other way round
	shelves map[*balance.Endpoint][]parkedLeg
	sweep   *time.Timer // armed while anything is parked
	closed  bool
}

// parkedLeg is a leg on a shelf, and since when.
type parkedLeg struct {
	l     *leg
	since int64
}

// put takes l and reports whether it did. The caller holds the mutex of its
// owner, and does not touch l after that.
func (p *parked) put(l *leg) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	shelf := p.shelves[l.endpoint]
	if p.closed || len(shelf) >= bounds.Parked || !l.wire.sock.shelve() {
		return false
	}
	if p.shelves == nil {
		p.shelves = make(map[*balance.Endpoint][]parkedLeg)
	}
	l.parkedIn = p
	l.onShelf = true
	l.owner.Store(nil)
	p.shelves[l.endpoint] = append(shelf, parkedLeg{l, p.clock()})
	if p.sweep == nil {
		p.sweep = time.AfterFunc(bounds.ParkTime, p.expire)
	}
	return true
}

// take hands the connection that was parked last for e over to c, or returns
// nil. Those that the peer has written to or closed are dropped.
func (p *parked) take(e *balance.Endpoint, c *conn) *leg {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		shelf := p.shelves[e]
		if len(shelf) == 0 {
			return nil
		}
		last := len(shelf) - 1
		l := shelf[last].l
		shelf[last] = parkedLeg{}
		p.shelves[e] = shelf[:last]
		l.onShelf = false
		if l.wire.sock.handOver() {
			l.owner.Store(c)
			return l
		}
		l.wire.sock.close() // its reader finds out
	}
}

// drop takes l from its shelf, if it is still there, and reports whether l has
// no owner. It is called by the reader of l.
func (p *parked) drop(l *leg) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.onShelf {
		l.onShelf = false
		shelf := p.shelves[l.endpoint]
		for i := range shelf {
			if shelf[i].l == l {
				copy(shelf[i:], shelf[i+1:])
				shelf[len(shelf)-1] = parkedLeg{}
				p.shelves[l.endpoint] = shelf[:len(shelf)-1]
				break
			}
		}
	}
	return l.owner.Load() == nil
}

// expire closes what has been parked for too long.
func (p *parked) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := p.clock() - int64(bounds.ParkTime)
	left := false
	for e, shelf := range p.shelves {
		n := 0
		for n < len(shelf) && shelf[n].since <= oldest {
			n++
		}
		p.close(shelf[:n])
		if n == len(shelf) {
			delete(p.shelves, e)
			continue
		}
		left = true
		p.shelves[e] = append(shelf[:0:0], shelf[n:]...)
	}
	p.sweep = nil
	if left && !p.closed {
		p.sweep = time.AfterFunc(bounds.ParkTime/4, p.expire)
	}
}

// shut closes all that is parked, and lets nothing be parked any more.
func (p *parked) shut() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.clear()
}

// clear closes all that is parked.
func (p *parked) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, shelf := range p.shelves {
		p.close(shelf)
	}
	clear(p.shelves)
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
}

// close closes legs that leave their shelf; their readers find out.
func (*parked) close(legs []parkedLeg) {
	for _, pl := range legs {
		pl.l.onShelf = false
		pl.l.wire.sock.close()
	}
}

// settleParks parks the legs that this turn closed by Park, now that the core
// has let go of their octets.
func (c *conn) settleParks() {
	if !c.parks {
		return
	}
	c.parks = false
	for _, l := range slices.Backward(c.closed) { // settling takes l from the list
		if l.parking {
			c.settlePark(l)
		}
	}
}

// settlePark parks l or closes it. A writer may be at l still: the server can
// answer before the write of what it answers has returned here. Then the end of
// that write settles it.
func (c *conn) settlePark(l *leg) {
	if l.writing && l.out == nil && l.direct == nil && !l.readOver {
		_ = l.wire.sock.SetWriteDeadline(time.Now().Add(bounds.FlushTime))
		return
	}
	l.parking = false
	if !c.park(l) {
		c.finish(l)
	}
}

// park puts l, which the core has closed, on the shelf of its endpoint, unless
// anything is open on it.
func (c *conn) park(l *leg) bool {
	// A buffer of another reader may be in its read now.
	bufferFree := l.buf == nil || c.reader == l
	clean := l.r == l.w && bufferFree && l.quiet() && !l.half &&
		l.writeErr == nil && !l.readOver && !l.shut && !l.waiting && l.reading
	if !clean || l.endpoint == nil || l.wire == nil || !l.wire.sock.parks {
		return false
	}
	if l.endpoint.Personal() || l.tied != 0 || l.wire.tls != nil && l.endpoint.TLS == nil {
		return false // it belongs to its client; TLS that began later is of its session
	}
	if c.reader == l {
		c.spent = l.buf
		l.buf, l.r, l.w, l.ask, l.long = nil, 0, 0, small, false
	}
	c.dropClosed(l)
	c.open--
	if c.engine.parked.put(l) {
		return true
	}
	c.open++
	c.closed = append(c.closed, l)
	return false
}
