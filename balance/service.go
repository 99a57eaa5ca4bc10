package balance

import (
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

	state   atomic.Uint32
	since   atomic.Int64 // Unix nanoseconds of the last change of state
	latency atomic.Int64 // moving average of the time to the first response byte, in nanoseconds; 0: not measured
	ramp    atomic.Int64 // Unix nanoseconds of its return, while slow start may apply; 0: full weight
	nudge   atomic.Pointer[func()]
}

// State returns the service's state.
func (s *Service) State() State { return State(s.state.Load()) }

// SetState changes the state at the time now and reports the one before.
func (s *Service) SetState(now time.Time, st State) (before State) {
	before = State(s.state.Swap(uint32(st)))
	if before != st {
		s.entered(now, before, st)
	}
	return before
}

// SetHealth changes the state to what the probes say, Up or Down, unless an
// operator has set another. It reports the state before.
func (s *Service) SetHealth(now time.Time, st State) (before State, changed bool) {
	for {
		before = s.State()
		if before == st || before == Drain || before == Maintenance {
			return before, false
		}
		if s.state.CompareAndSwap(uint32(before), uint32(st)) {
			s.entered(now, before, st)
			return before, true
		}
	}
}

// entered notes a change of state. A service that comes back begins its slow
// start, and is measured anew; one that was never away does not.
func (s *Service) entered(now time.Time, before, st State) {
	s.since.Store(now.UnixNano())
	switch {
	case st == Up && (before == Down || before == Maintenance):
		s.latency.Store(0)
		s.ramp.Store(now.UnixNano())
	case st == Down || st == Maintenance:
		s.ramp.Store(0)
	}
}

// Since returns when the state changed last; zero if it never did.
func (s *Service) Since() time.Time {
	if n := s.since.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// Begin counts a request or connection that goes to the service.
func (s *Service) Begin() {
	s.Active.Add(1)
	s.Requests.Add(1)
	s.Server.Active.Add(1)
	s.Server.Requests.Add(1)
}

// Finish is the end of what Begin counted.
func (s *Service) Finish() {
	s.Active.Add(-1)
	s.Server.Active.Add(-1)
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
