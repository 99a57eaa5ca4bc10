package balance

import "sync/atomic"

// Waker wakes a connection that waits, from any goroutine and under any lock: its
// core is called soon, and never within the call. To wake one that does not wait
// any more does no harm.
type Waker interface{ Awaken() }

// Waiter stands in the queues of one or more servers until one of them has a
// place for it. It belongs to one connection, whose calls are serial. The zero
// value is ready, and may be used again after Stop.
type Waiter struct {
	waker  Waker
	given  atomic.Pointer[Server] // who has a place for it; nil: nobody yet
	stands []stand
}

// stand is where a Waiter stands in the queue of one server.
type stand struct {
	waiter        *Waiter
	server        *Server
	before, after *stand // guarded by the server's mu
}

// gone is what given holds of a Waiter that wants no place any more.
var gone Server

// Start has w wait for a place at a server of set, which are of cs, and reports
// whether any of their queues had room. It may have a place at once, of which the
// waker is not told.
func (w *Waiter) Start(cs []Candidate, set Eligible, waker Waker) bool {
	w.waker = waker
	w.given.Store(nil)
	if n := set.count(); cap(w.stands) < n {
		w.stands = make([]stand, 0, n)
	}
	w.stands = w.stands[:0]
	for ; set != 0 && w.given.Load() == nil; set = set.rest() {
		s := cs[set.first()].Service.Server
		if s.enter() { // one has come free meanwhile
			if !w.given.CompareAndSwap(nil, s) {
				s.leave()
			}
			break
		}
		w.stands = append(w.stands, stand{waiter: w}) // never moved: others point to it
		if !s.join(&w.stands[len(w.stands)-1]) {
			w.stands = w.stands[:len(w.stands)-1]
			continue
		}
		s.admit(w)
	}
	return len(w.stands) > 0 || w.given.Load() != nil
}

// Look has the servers look whether they have a place for w, or for those before
// it: a limit may have been raised. It reports whether w has one.
func (w *Waiter) Look() bool {
	for i := range w.stands {
		if w.given.Load() != nil {
			break
		}
		w.stands[i].server.admit(w)
	}
	return w.given.Load() != nil
}

// Stop takes w out of all queues and returns the server that has given it a place,
// which is the caller's from now on; nil if none has.
func (w *Waiter) Stop() *Server {
	w.given.CompareAndSwap(nil, &gone)
	for i := range w.stands {
		w.stands[i].server.part(&w.stands[i])
	}
	s := w.given.Load()
	w.waker, w.stands = nil, w.stands[:0]
	if s == &gone {
		return nil
	}
	return s
}
