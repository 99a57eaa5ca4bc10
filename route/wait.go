package route

import (
	"math"
	"sync"
	"time"

	"casbah/balance"
)

// lookEvery is how often who waits for a place looks whether it still should: its
// server may be gone, its limit may be another.
const lookEvery = int64(250 * time.Millisecond)

// Turn is what becomes of a request or connection whose server is full.
type Turn uint8

// The turns.
const (
	Again     Turn = iota // it is decided anew: there is a place, or the servers are others
	Queued                // it waits, until it is woken or Due
	QueueFull             // nobody else may wait: 503
	QueueLate             // its time to wait is over: 503
)

// Cause returns why the turn ends a request.
func (t Turn) Cause() Cause {
	if t == QueueFull {
		return CauseQueueFull
	}
	return CauseQueueLate
}

// wait is what a decision has that waits for a place, or has waited. It is pooled:
// few ever do.
type wait struct {
	waiter balance.Waiter
	among  balance.Eligible // the candidates in whose queues it stands; 0: in none
	place  *balance.Server  // that has given it one, on which nothing has begun; nil: none
	since  int64            // when it began to stand there
	until  int64            // when its time is over, of all turns together
	looks  int64            // when it looks next
	total  int64            // nanoseconds that it has stood in queues before
}

var waits = sync.Pool{New: func() any { return new(wait) }}

// Wait has the request wait for a place: at its server if something binds it to
// one, else at any that takes new clients. It comes after an Outcome of Full, or a
// Commit that found no place; before Release it may come more than once. Waker is
// told of a place.
func (d *Decision) Wait(now int64, waker balance.Waker) Turn {
	cs, among := d.Profile.Candidates, d.queueing()
	w := d.wait
	if w == nil {
		w = waits.Get().(*wait) //nolint:forcetypeassert // the pool holds nothing else
		w.until = now + int64(balance.Patience(cs, among))
		d.wait = w
	}
	if now >= w.until {
		balance.Overdue(cs, among)
		return QueueLate
	}
	d.giveBack()
	if !w.waiter.Start(cs, among, waker) {
		w.waiter.Stop()
		balance.Overrun(cs, among)
		return QueueFull
	}
	w.among, w.since = among, now
	return d.Look(now)
}

// Look is for a request that waits: what has become of it by now.
func (d *Decision) Look(now int64) Turn {
	w := d.wait
	if w == nil || w.among == 0 {
		return Again
	}
	switch {
	case w.waiter.Look():
	case d.outdated():
	case now >= w.until:
		if d.stand(now); w.place != nil {
			return Again // it has come in between
		}
		balance.Overdue(d.Profile.Candidates, d.queueing())
		return QueueLate
	default:
		w.looks = min(now+lookEvery, w.until)
		return Queued
	}
	d.stand(now)
	return Again
}

// Waits reports whether the request stands in a queue.
func (d *Decision) Waits() bool { return d.wait != nil && d.wait.among != 0 }

// Due returns when Look is to be called at the latest; far off if the request does
// not wait.
func (d *Decision) Due() int64 {
	if !d.Waits() {
		return math.MaxInt64 // common case
	}
	return d.wait.looks
}

// Waited returns how long the request has stood in queues until now.
func (d *Decision) Waited(now int64) time.Duration {
	switch {
	case d.wait == nil:
		return 0 // common case
	case d.wait.among != 0:
		return time.Duration(d.wait.total + now - d.wait.since)
	default:
		return time.Duration(d.wait.total)
	}
}

// queueing returns the candidates in whose queues the request belongs.
func (d *Decision) queueing() balance.Eligible {
	if d.chosen >= 0 && d.binds() {
		return 1 << uint(d.chosen)
	}
	return d.among()
}

// binds reports whether the request may go to the chosen server and no other.
func (d *Decision) binds() bool { return d.pinned || d.Walk.Server != 0 && !d.aside }

// outdated reports whether who waits would stand in other queues if it came now.
func (d *Decision) outdated() bool {
	p := d.Profile
	takes := p.eligible() &^ d.tried
	if d.binds() { // by the same rules as Decide and Stay: else it would come here again at once, for ever
		return !(takes | p.keeping()).Has(d.chosen) && !d.finishes()
	}
	before := d.eligible
	d.eligible = takes
	among := d.among()
	d.eligible = before
	return among != d.wait.among
}

// stand ends the request's standing in queues; it may have got a place.
func (d *Decision) stand(now int64) {
	w := d.wait
	w.place, w.among = w.waiter.Stop(), 0
	w.total += now - w.since
	if w.place != nil {
		w.place.Queue.Served.Add(1)
		w.place.Queue.Nanos.Add(uint64(max(now-w.since, 0)))
	}
}

// giveBack gives back a place that nothing has begun on.
func (d *Decision) giveBack() {
	if s := d.wait.place; s != nil {
		d.wait.place = nil
		s.Return()
	}
}

// unwait ends all waiting of the request.
func (d *Decision) unwait() {
	w := d.wait
	if w == nil {
		return // common case
	}
	if w.among != 0 {
		w.place = w.waiter.Stop()
	}
	d.giveBack()
	w.among, w.since, w.until, w.looks, w.total = 0, 0, 0, 0, 0
	d.wait = nil
	waits.Put(w)
}

// pick lets the algorithm choose among the servers with room for one more. Where
// there is none it returns -1, and Full if the request may wait for one. Who has
// waited goes where its place is.
func (d *Decision) pick(now int64, r *Request) (chosen int, outcome Outcome) {
	p, among := d.Profile, d.among()
	if d.wait != nil && d.wait.place != nil {
		if i := p.index(d.wait.place.ID); i >= 0 && among.Has(i) {
			return i, Chosen
		}
	}
	room := balance.Room(p.Candidates, among)
	if room == 0 && among != 0 {
		return -1, Full
	}
	if home := d.home(room); home >= 0 {
		return home, Chosen
	}
	if chosen = p.Algorithm.Pick(p.Candidates, room, d.hash(now, r)); chosen < 0 {
		return -1, NoServer
	}
	return chosen, Chosen
}

// full reports whether the chosen server has no place for the request, which may
// have one already.
func (d *Decision) full() bool {
	return d.service().Server.Full() && !d.seated()
}

// seated reports whether the request has waited, and has a place at the chosen server.
func (d *Decision) seated() bool {
	return d.wait != nil && d.wait.place != nil && d.chosen >= 0 && d.wait.place == d.service().Server
}

// Begin is the half of Commit that counts, and takes a place.
func (d *Decision) Begin() bool {
	if d.wait != nil && d.wait.place != nil {
		from := d.wait.place
		d.wait.place = nil
		d.open = d.service().BeginAt(from)
	} else {
		d.open = d.service().Begin()
	}
	return d.open
}
