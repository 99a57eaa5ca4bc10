package balance

import (
	"math/bits"
	"time"
)

// Candidate is a service as one snapshot sees it.
type Candidate struct {
	Service   *Service
	Endpoint  *Endpoint
	Weight    int           // at least 1
	SlowStart time.Duration // how long a service that comes back takes to its full weight; 0: at once
}

// The share of its weight that a service has while it comes back, in thousandths.
const (
	fullShare  = 1000
	firstShare = 100
)

// weight returns what the candidate weighs now, in thousandths. It reads the
// clock only while the service comes back.
func (c *Candidate) weight(k *clock) int64 {
	w := int64(max(c.Weight, 1))
	if c.SlowStart <= 0 {
		return w * fullShare // common case
	}
	from := c.Service.ramp.Load()
	if from == 0 {
		return w * fullShare // common case
	}
	return w * c.share(from, k.read())
}

// share returns the part of the weight at the time now of a service that came
// back at from. One that drained has lost of its load what slow start would have
// given it in as long a time, and regains that. The first pick after the ramp
// ends it, so that later ones need no clock; where pools with different slow
// starts share a service, the shortest holds.
func (c *Candidate) share(from, now int64) int64 {
	elapsed, whole := now-from, int64(c.SlowStart)
	elapsed += max(whole-c.Service.away.Load(), 0)
	if elapsed >= whole || elapsed <= -whole { // over, or the clock was set back
		c.Service.ramp.CompareAndSwap(from, 0)
		return fullShare
	}
	// In floating point: nanoseconds times thousandths overflow within months.
	grown := (fullShare - firstShare) * float64(max(elapsed, 0)) / float64(whole)
	return firstShare + int64(grown)
}

// clock reads the time at most once per pick.
type clock struct{ now int64 }

func (k *clock) read() int64 {
	if k.now == 0 {
		k.now = time.Now().UnixNano()
	}
	return k.now
}

// Eligible is a set of candidate indices: bit i stands for candidate i. A pool
// has at most 64 servers.
type Eligible uint64

// Has reports whether candidate i is in the set.
func (e Eligible) Has(i int) bool { return e&(1<<uint(i)) != 0 }

// count returns how many there are.
func (e Eligible) count() int { return bits.OnesCount64(uint64(e)) }

// first returns the lowest index of the set, which is not empty.
func (e Eligible) first() int { return bits.TrailingZeros64(uint64(e)) }

// rest returns the set without its lowest index.
func (e Eligible) rest() Eligible { return e & (e - 1) }

// only returns the index of a set of one, and -1 for an empty set; false for
// any other, where there is a choice to make.
func (e Eligible) only() (i int, ok bool) {
	switch {
	case e == 0:
		return -1, true
	case e.rest() == 0:
		return e.first(), true
	default:
		return 0, false
	}
}
