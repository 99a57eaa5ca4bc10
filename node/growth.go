package node

import (
	"sync"
	"time"
)

// growthSpan is over how many looks growth is measured: long enough that one
// burst of logins does not sound the alarm, short enough that a flood does.
const growthSpan = 5

// growth tells how fast the table fills. The zero value is ready.
type growth struct {
	mu    sync.Mutex // guards the field below; held for a look
	looks []look     // oldest first
}

// look is how many bindings there were at a time.
type look struct {
	at       time.Time
	bindings int
}

func (g *growth) add(at time.Time, bindings int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.looks = append(g.looks, look{at, bindings})
	if len(g.looks) > growthSpan {
		g.looks = g.looks[1:]
	}
}

// fullIn returns in what time a table with so many bindings is full, if it goes
// on growing as it did over the last minutes; 0: not within a day, or it is full
// already.
func (g *growth) fullIn(now time.Time, bindings, capacity int) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.looks) == 0 {
		return 0
	}
	since := now.Sub(g.looks[0].at)
	grown := bindings - g.looks[0].bindings
	if since < lookEvery || grown <= 0 || bindings >= capacity {
		return 0
	}
	left := since.Seconds() * float64(capacity-bindings) / float64(grown)
	if left > (24 * time.Hour).Seconds() {
		return 0
	}
	return max(time.Duration(left)*time.Second, time.Second)
}
