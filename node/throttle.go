package node

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// throttleEvery is how often the same cause is logged at most.
	throttleEvery = time.Minute

	// throttleCauses is how many causes are told apart. More of them are logged
	// as they come: they are news.
	throttleCauses = 256
)

// throttle keeps what happens again and again from filling the log: a cause is
// told at once, and then once a minute with how often it came meanwhile. The zero
// value is ready.
type throttle struct {
	mu     sync.Mutex // guards the field below
	causes map[string]*throttled
}

type throttled struct {
	told  time.Time
	count uint64 // since then
}

// tell calls log with the event to complete, unless cause was told of just now.
func (t *throttle) tell(now time.Time, cause string, e *zerolog.Event, text string) {
	suppressed, ok := t.allow(now, cause)
	switch {
	case !ok:
		return
	case suppressed > 0:
		e = e.Uint64("suppressed", suppressed)
	}
	e.Msg(text)
}

// allow reports whether cause is to be told of now, and how often it came since it
// was told of last.
func (t *throttle) allow(now time.Time, cause string) (suppressed uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.causes[cause]
	switch {
	case c != nil && now.Sub(c.told) < throttleEvery:
		c.count++
		return 0, false
	case c != nil:
		suppressed = c.count
		c.told, c.count = now, 0
		return suppressed, true
	}
	if t.causes == nil {
		t.causes = make(map[string]*throttled)
	}
	if len(t.causes) >= throttleCauses {
		t.forget(now)
	}
	if len(t.causes) < throttleCauses {
		t.causes[cause] = &throttled{told: now}
	}
	return 0, true
}

// forget drops the causes that have not come again.
func (t *throttle) forget(now time.Time) {
	for cause, c := range t.causes {
		if now.Sub(c.told) >= throttleEvery {
			delete(t.causes, cause)
		}
	}
}
