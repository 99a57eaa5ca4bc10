package health

import (
	"sync/atomic"
	"time"
)

// Tally is what the probes of a Monitor came to since it began.
type Tally struct {
	Right, Wrong uint64        // answers, of which no answer in time is a wrong one
	Took         time.Duration // all of them together
}

// tally counts for who asks.
type tally struct {
	right, wrong atomic.Uint64
	took         atomic.Int64
}

func (t *tally) add(took time.Duration, err error) {
	if err == nil {
		t.right.Add(1)
	} else {
		t.wrong.Add(1)
	}
	t.took.Add(int64(took))
}

// Tally returns what the probes came to until now.
func (m *Monitor) Tally() Tally {
	return Tally{Right: m.tally.right.Load(), Wrong: m.tally.wrong.Load(), Took: time.Duration(m.tally.took.Load())}
}
