package h2

import (
	"sync"
	"time"
)

// A client that leaves a page takes back all that the page was waiting for. One
// that goes on with it, request after request, has casbah and the servers work for
// nothing.
const (
	calmBurst = 4 * maxStreams
	calmEvery = 100 * time.Millisecond // in which one more may be taken back
)

// calm counts the streams that a client takes back.
type calm struct {
	mu    sync.Mutex // guards the field below
	empty time.Time  // when all will be forgiven
}

// spend counts one at the time given, and reports whether the client may go on.
func (c *calm) spend(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.empty.Before(now) {
		c.empty = now
	}
	c.empty = c.empty.Add(calmEvery)
	return c.empty.Sub(now) <= calmBurst*calmEvery
}
