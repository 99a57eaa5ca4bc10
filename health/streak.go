package health

import "errors"

// Answer is what one result of a probe says of the service.
type Answer uint8

// The answers.
const (
	Good     Answer = iota
	Orderly         // off, in an orderly way: bound clients may stay
	Bad             // anything else
	noAnswer        // yet
)

// answerOf returns what err, of a probe, says.
func answerOf(err error) Answer {
	switch {
	case err == nil:
		return Good
	case errors.Is(err, ErrOff):
		return Orderly
	default:
		return Bad
	}
}

// Streak turns probe results into state changes. The first result sets the
// state. From then on a service that is good loses that after Fall results in a
// row that are not, and becomes what the last one of them says; one that is not
// becomes good after Rise good results in a row, and changes between orderly off
// and bad after Fall results in a row that say so.
type Streak struct {
	Rise, Fall int // 0 counts as 1

	known  bool
	now    Answer
	toward Answer // of the results that contradict now
	run    int    // how many of them came in a row
}

// Observe records one result and reports the state, and whether it changed.
func (s *Streak) Observe(a Answer) (now Answer, changed bool) {
	if !s.known {
		s.known, s.now = true, a
		return a, true
	}
	if a == s.now {
		s.run = 0
		return s.now, false
	}
	if s.now != Good && a != s.toward {
		s.run = 0
	}
	s.run++
	s.toward = a
	limit := s.Fall
	if a == Good {
		limit = s.Rise
	}
	if s.run < limit {
		return s.now, false
	}
	s.now, s.run = a, 0
	return a, true
}

// Now returns the state that the results so far came to.
func (s *Streak) Now() Answer {
	if !s.known {
		return noAnswer
	}
	return s.now
}

// Resume takes up the state that an earlier streak came to, so that a reload
// does not make one bad answer enough.
func (s *Streak) Resume(a Answer) { s.known, s.now, s.run = true, a, 0 }
