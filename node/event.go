package node

import (
	"slices"
	"sync"
	"time"
)

// maxEvents is how many events the page can show.
const maxEvents = 100

// Event is something that an administrator may ask about later: a service that
// changed its state, a reload, a stop.
type Event struct {
	At         time.Time
	Kind, Text string
}

// events keeps the newest events. The zero value is ready.
type events struct {
	mu   sync.Mutex // guards the field below
	list []Event    // oldest first
}

func (e *events) add(at time.Time, kind, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) == maxEvents {
		e.list = slices.Delete(e.list, 0, 1)
	}
	e.list = append(e.list, Event{at, kind, text})
}

// newest returns all events, newest first.
func (e *events) newest() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := slices.Clone(e.list)
	slices.Reverse(out)
	return out
}
