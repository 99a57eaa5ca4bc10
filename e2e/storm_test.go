package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"

	"casbah/lab"
)

// storm is many client connections that log on and off, fail to, ask without
// credentials and hang up, a step of one at a time in random order, so that
// their requests and the legs of their handshakes are open at the same time. It
// knows whose each connection is, and takes down what must never be.
//
// The steps are the same for the same seed; what runs at the same time in
// casbah is not.
type storm struct {
	front
	rng     *rand.Rand
	names   []string // of the users
	outages *outages
	ledger  *ledger
	callers []*caller
}

// front is what a storm rages against: an array with something before it.
type front struct {
	array   *lab.Array
	connect func(source string) (net.Conn, error)
	users   int  // with three client programs each
	storms  int  // at the same time
	calm    bool // no server is stopped
}

// run makes steps until the storm is over.
func (s *storm) run(over func(step int) bool) {
	for i := range 3 * len(s.names) {
		s.callers = append(s.callers, &caller{storm: s, source: fmt.Sprintf("127.0.0.%d", 2+i%len(s.names))})
	}
	for step := 0; !over(step); step++ {
		if !s.calm && s.rng.IntN(500) == 0 {
			if err := s.outages.turn(s.rng.IntN(len(s.outages.begun))); err != nil {
				s.ledger.breach("start of a server: %v", err)
			}
		}
		s.callers[s.rng.IntN(len(s.callers))].step()
	}
	for _, c := range s.callers {
		c.hangUp()
	}
}
