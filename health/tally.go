package health

import (
	"sync/atomic"
	"time"
)

// Tally is what the probes of a Monitor came to since it began.
type Tally struct {
	Right, Wrong uint64            // answers, of which no answer in time is a wrong one
	Took         time.Duration     // all of them together
	Causes       [numCauses]uint64 // of the wrong ones
}

// tally counts for who asks.
type tally struct {
	causes [numCauses]atomic.Uint64
	took   atomic.Int64
}

func (t *tally) add(took time.Duration, err error) {
	t.causes[CauseOf(err)].Add(1)
	t.took.Add(int64(took))
}

func (t *tally) sum() Tally {
	s := Tally{Took: time.Duration(t.took.Load()), Right: t.causes[Right].Load()}
	for _, c := range Causes {
		s.Causes[c] = t.causes[c].Load()
		s.Wrong += s.Causes[c]
	}
	return s
}
