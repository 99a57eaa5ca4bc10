//go:build linux

package reactor

import (
	"sync/atomic"
	"time"
)

// lag is how long a loop lets wait what comes to it. It is measured when somebody
// asks, and costs a loop nothing otherwise.
type lag struct {
	asked atomic.Int64 // when the measurement under way began, Unix nanoseconds; 0: there is none
	last  atomic.Int64 // what the last one came to, nanoseconds
}

// Lags returns for each loop how long it let the last measurement wait, or the one
// under way if that waits longer, and begins the next. It waits for no loop.
func (e *Engine) Lags() []time.Duration {
	out := make([]time.Duration, len(e.loops))
	for i, lp := range e.loops {
		out[i] = lp.measureLag()
	}
	return out
}

func (lp *loop) measureLag() time.Duration {
	now := lp.engine.clock()
	last := time.Duration(lp.lag.last.Load())
	if asked := lp.lag.asked.Load(); asked != 0 {
		return max(last, time.Duration(now-asked))
	}
	if !lp.lag.asked.CompareAndSwap(0, now) {
		return last // somebody else has just asked
	}
	answered := lp.post(func() {
		lp.lag.last.Store(max(lp.engine.clock()-now, 0))
		lp.lag.asked.Store(0)
	})
	if !answered {
		lp.lag.asked.Store(0)
	}
	return last
}
