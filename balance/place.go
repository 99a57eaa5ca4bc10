package balance

import (
	"sync"
	"sync/atomic"
	"time"
)

// Limit is how many requests and connections a server takes at once, over all
// profiles, and what becomes of those that come while it is full. The zero value
// is no limit.
type Limit struct {
	Max     int           // 0: no limit
	Queue   int           // how many may wait for a place
	Timeout time.Duration // how long each of them waits
}

// SetLimit puts l in force. Those that wait find out when they look: who sets it
// takes no lock that a connection waits for.
func (s *Server) SetLimit(l Limit) {
	s.room.Store(int64(l.Queue))
	s.patience.Store(int64(l.Timeout))
	s.limit.Store(int64(l.Max))
}

// Limit returns the limit in force.
func (s *Server) Limit() Limit {
	return Limit{Max: int(s.limit.Load()), Queue: int(s.room.Load()), Timeout: time.Duration(s.patience.Load())}
}

// Full reports whether the server has no place for one more: none is free, or
// others wait for it.
func (s *Server) Full() bool {
	limit := s.limit.Load()
	return limit != 0 && (s.waiting.Load() != 0 || s.Active.Load() >= limit)
}

// Waiting returns how many wait for a place now.
func (s *Server) Waiting() int { return int(s.waiting.Load()) }

// places are those of a server, and the queue for them. A place that is given
// back goes to the first of the queue, and nobody who comes later gets it first.
//
// No wake-up is lost: who comes to wait shows up in waiting before it looks for a
// free place for the last time, and who leaves gives its place back before it
// looks at waiting. One of the two sees the other.
type places struct {
	limit    atomic.Int64 // 0: none
	waiting  atomic.Int64 // in the queue; changed with mu held
	room     atomic.Int64 // of the queue
	patience atomic.Int64 // nanoseconds

	mu          sync.Mutex // guards the fields below; only connections take it, for one look or one change
	first, last *stand
}

// enter takes a place, and reports whether one was free.
func (s *Server) enter() bool {
	if s.limit.Load() == 0 {
		s.Active.Add(1)
		return true // common case
	}
	return s.waiting.Load() == 0 && s.take()
}

// take takes a place that is free, whoever waits.
func (s *Server) take() bool {
	for {
		n, limit := s.Active.Load(), s.limit.Load()
		if limit != 0 && n >= limit {
			return false
		}
		if s.Active.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave gives a place back.
func (s *Server) leave() {
	s.Active.Add(-1)
	if s.waiting.Load() != 0 {
		s.admit(nil)
	}
}

// Return gives back the place that a Waiter was given and that nothing has begun on.
func (s *Server) Return() { s.leave() }

// admit gives free places to those that wait, and wakes them, but for self, which
// looks by itself.
func (s *Server) admit(self *Waiter) {
	for {
		w, waker := s.grant()
		if w == nil {
			return
		}
		if w != self {
			waker.Awaken()
		}
	}
}

// grant gives a free place to the first that waits for one, and returns it with
// its waker: once it knows, it may be another's. Nil: there is no place, or nobody.
func (s *Server) grant() (*Waiter, Waker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil || !s.take() {
		return nil, nil
	}
	for s.first != nil {
		st := s.first
		s.unlink(st)
		w, waker := st.waiter, st.waiter.waker
		if w.given.CompareAndSwap(nil, s) {
			return w, waker
		}
	}
	s.Active.Add(-1) // all have found a place elsewhere, and nobody else can have come
	return nil, nil
}

// join has st stand in the queue, unless that is full.
func (s *Server) join(st *stand) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting.Load() >= s.room.Load() {
		return false
	}
	if st.before = s.last; st.before == nil {
		s.first = st
	} else {
		st.before.after = st
	}
	s.last = st
	st.server = s
	s.waiting.Add(1)
	return true
}

// part takes st out of the queue, if it stands there.
func (s *Server) part(st *stand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.before != nil || s.first == st {
		s.unlink(st)
	}
}

// unlink takes st, which stands in the queue, out of it. The caller holds s.mu.
func (s *Server) unlink(st *stand) {
	if st.before == nil {
		s.first = st.after
	} else {
		st.before.after = st.after
	}
	if st.after == nil {
		s.last = st.before
	} else {
		st.after.before = st.before
	}
	st.before, st.after = nil, nil
	s.waiting.Add(-1)
}

// Room returns those candidates of set whose servers have a place for one more.
func Room(cs []Candidate, set Eligible) Eligible {
	for rest := set; rest != 0; rest = rest.rest() {
		if i := rest.first(); cs[i].Service.Server.Full() {
			set &^= 1 << uint(i)
		}
	}
	return set
}

// Patience returns how long one waits for a place at any of set.
func Patience(cs []Candidate, set Eligible) time.Duration {
	longest := time.Duration(0)
	for ; set != 0; set = set.rest() {
		longest = max(longest, time.Duration(cs[set.first()].Service.Server.patience.Load()))
	}
	return longest
}

// Overrun counts a client that found no room in the queue of any of set.
func Overrun(cs []Candidate, set Eligible) {
	for ; set != 0; set = set.rest() {
		cs[set.first()].Service.Server.Queue.Full.Add(1)
	}
}

// Overdue counts a client that has waited in vain for a place at any of set.
func Overdue(cs []Candidate, set Eligible) {
	for ; set != 0; set = set.rest() {
		cs[set.first()].Service.Server.Queue.Late.Add(1)
	}
}
