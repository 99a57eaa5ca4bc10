package balance

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// State is the health of a service.
type State uint32

// The states of a service. The zero value is not known yet: a service takes no
// traffic before its first probe answer, unless every service of its pool is
// unknown.
const (
	Unknown State = iota
	Up
	Down
	Drain       // bound clients stay, new ones go elsewhere
	Maintenance // nobody
)

// String returns the state's word in status, logs and metrics.
func (s State) String() string {
	switch s {
	case Up:
		return "up"
	case Down:
		return "down"
	case Drain:
		return "drain"
	case Maintenance:
		return "maintenance"
	default:
		return "unknown"
	}
}

// Service is one profile on one server: the unit that is probed, up or down,
// and balanced. It outlives a reload; what a reload may change stands in
// Candidate.
type Service struct {
	Server  *Server
	Profile string

	Active   atomic.Int64  // requests and relayed connections open now
	Requests atomic.Uint64 // begun since start
	Failures atomic.Uint64 // connect failures, resets and garbage before a response

	word    atomic.Uint32 // what the probes say and what is ordered, packed by standing
	since   atomic.Int64  // Unix nanoseconds of the last change of state
	latency atomic.Int64  // moving average of the time to the first response byte, in nanoseconds; 0: not measured
	ramp    atomic.Int64  // Unix nanoseconds of its return, while slow start may apply; 0: full weight
	away    atomic.Int64  // how long it drained before, in nanoseconds; lostAll: it has no load left
	nudge   atomic.Pointer[func()]
	order   atomic.Pointer[Order] // nil: none

	mu   sync.Mutex // serializes SetHealth and SetOrder, and guards the fields below
	left int64      // Unix nanoseconds of when it took no new clients any more; 0: it takes them; lostAll: and has no load left
}

// lostAll is how long a service has drained that was down, in maintenance or
// drained firmly: for ever.
const lostAll = math.MaxInt64

// State returns the service's state, which what the probes say and what is
// ordered make together.
func (s *Service) State() State { return states[s.word.Load()%uint32(len(states))] }

// Keeps reports whether the service serves clients that are bound to it and is
// given no others: it drains, but not firmly, or nothing is known of it.
func (s *Service) Keeps() bool {
	w := s.word.Load() % uint32(len(states))
	return states[w] == Unknown || states[w] == Drain && unpack(w).order != OrderFirm
}

// Health returns what the probes said last, whatever is ordered: Unknown before
// their first answer, Up, Down or Drain.
func (s *Service) Health() State { return unpack(s.word.Load()).health }

// SetHealth takes in what the probes say at the time now: Up, Down, or Drain for
// a server that takes itself out of service in an orderly way; Unknown takes back
// what they said. It reports the state before, and whether there is another now:
// State, which what is ordered has its part in.
func (s *Service) SetHealth(now time.Time, health State) (before State, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, after := s.enter(now, standing{health, unpack(s.word.Load()).order})
	return before, before != after
}

// SetState puts the service into that state at the time now, whatever the probes
// say and is ordered, and reports the one before: Drain and Maintenance by an
// order without end, the others by the probes and without an order.
func (s *Service) SetState(now time.Time, st State) (before State) {
	before = s.State()
	switch st {
	case Drain:
		s.SetHealth(now, Up)
		s.SetOrder(now, Order{Kind: OrderDrain, Since: now.UnixNano()})
	case Maintenance:
		s.SetOrder(now, Order{Kind: OrderMaintenance, Since: now.UnixNano()})
	default:
		s.SetHealth(now, st)
		s.SetOrder(now, Order{})
	}
	return before
}

// standing is what makes up a state.
type standing struct {
	health State     // Unknown, Up, Down or Drain
	order  OrderKind // of the operator
}

// pack returns st as one word, so that one read tells the state.
func (st standing) pack() uint32 { return uint32(st.health) | uint32(st.order)<<2 }

// unpack is the reverse of pack.
func unpack(word uint32) standing {
	return standing{State(word & 3), OrderKind(word >> 2 & 3)}
}

// state returns what the two come to. Maintenance is for nobody, whatever the
// probes say. A server that is down is no place for bound clients, and no drain
// keeps them there.
func (st standing) state() State {
	switch {
	case st.order == OrderMaintenance:
		return Maintenance
	case st.health == Down:
		return Down
	case st.order != NoOrder:
		return Drain
	default:
		return st.health
	}
}

// states holds the state of each word.
var states = func() (all [16]State) {
	for w := range all {
		all[w] = unpack(uint32(w)).state()
	}
	return all
}()

// enter puts st in force. The caller holds s.mu.
func (s *Service) enter(now time.Time, st standing) (before, after State) {
	before, after = s.State(), st.state()
	if before != after {
		s.since.Store(now.UnixNano())
	}
	if after == Up {
		s.comeBack(now.UnixNano())
	} else {
		s.goAway(now.UnixNano(), after, st.order)
	}
	s.word.Store(st.pack())
	return before, after
}

// goAway notes how a service loses its load. One that is down, in maintenance or
// drained firmly has none left, and one that drains loses it with time. At the
// start there is none to lose.
func (s *Service) goAway(now int64, st State, order OrderKind) {
	switch {
	case st == Down || st == Maintenance || order == OrderFirm:
		s.left = lostAll
		s.ramp.Store(0)
	case st == Drain && s.ramp.Load() != 0: // it had not come back to all of it
		s.left = lostAll
		s.ramp.Store(0)
	case st == Drain && s.left == 0:
		s.left = now
	}
}

// comeBack begins the slow start of a service that was away, and has it measured
// anew.
func (s *Service) comeBack(now int64) {
	left := s.left
	if left == 0 {
		return
	}
	s.left = 0
	away := int64(lostAll)
	if left != lostAll {
		away = max(now-left, 0)
	}
	s.latency.Store(0)
	s.away.Store(away)
	s.ramp.Store(now)
}

// Since returns when the state changed last; zero if it never did.
func (s *Service) Since() time.Time {
	if n := s.since.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// Begin counts a request or connection that goes to the service, and takes a
// place at its server. If that is full nothing is counted.
func (s *Service) Begin() bool {
	if !s.Server.enter() {
		return false
	}
	s.count()
	return true
}

// BeginAt is Begin with a place that a Waiter was given at the server from. One
// of another server is given back.
func (s *Service) BeginAt(from *Server) bool {
	if from != s.Server {
		from.Return()
		return s.Begin()
	}
	s.count()
	return true
}

func (s *Service) count() {
	s.Active.Add(1)
	s.Requests.Add(1)
	s.Server.Requests.Add(1)
}

// Finish is the end of what Begin counted.
func (s *Service) Finish() {
	s.Active.Add(-1)
	s.Server.leave()
}

// Observe takes the time from the request to the first response byte into the
// moving average that least_time uses.
func (s *Service) Observe(d time.Duration) {
	for {
		old := s.latency.Load()
		next := max(int64(d), 1)
		if old != 0 {
			next = max(old+(int64(d)-old)/8, 1)
		}
		if s.latency.CompareAndSwap(old, next) {
			return
		}
	}
}

// Latency returns the moving average of the time to the first response byte; 0
// before the first.
func (s *Service) Latency() time.Duration { return time.Duration(s.latency.Load()) }

// OnFailure sets what Failed calls: the health monitor brings its next probe forward.
func (s *Service) OnFailure(f func()) { s.nudge.Store(&f) }

// Failed counts a connect failure, a reset or garbage before any response, and
// tells the monitor. It never changes the state by itself and does not block.
func (s *Service) Failed() {
	s.Failures.Add(1)
	if f := s.nudge.Load(); f != nil {
		(*f)()
	}
}
