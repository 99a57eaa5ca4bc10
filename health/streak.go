package health

// Streak turns probe results into state changes. The first result sets the
// state; from then on a service goes down after Fall bad results in a row and
// comes back after Rise good ones.
type Streak struct {
	Rise, Fall int // 0 counts as 1

	known bool
	up    bool
	run   int // results in a row that contradict up
}

// Observe records one result and reports whether the state changed.
func (s *Streak) Observe(err error) (up, changed bool) {
	good := err == nil
	if !s.known {
		s.known, s.up = true, good
		return s.up, true
	}
	if good == s.up {
		s.run = 0
		return s.up, false
	}
	s.run++
	limit := s.Rise
	if s.up {
		limit = s.Fall
	}
	if s.run < limit {
		return s.up, false
	}
	s.up, s.run = good, 0
	return s.up, true
}

// Resume takes up the state that an earlier streak came to, so that a reload
// does not make one bad answer enough.
func (s *Streak) Resume(up bool) { s.known, s.up, s.run = true, up, 0 }
