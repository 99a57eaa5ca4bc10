package engine

import (
	"net/netip"
	"sync"
)

// Sources counts connections by the address of their client. The zero value
// has no limit and counts nothing.
type Sources struct {
	Limit int // connections from one address; 0: no limit

	mu   sync.Mutex // guards the field below; only drivers take it, for one look
	open map[netip.Addr]int
}

// SharedSources returns what an engine of that configuration counts by address
// with.
func SharedSources(c *Config) *Sources {
	if c.Sources != nil {
		return c.Sources
	}
	return &Sources{Limit: c.MaxPerSource}
}

// Admit counts a connection from a in, and reports whether the limit allowed
// it. Leave follows each true answer.
func (s *Sources) Admit(a netip.Addr) bool {
	if s.Limit <= 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[a] >= s.Limit {
		return false
	}
	if s.open == nil {
		s.open = make(map[netip.Addr]int)
	}
	s.open[a]++
	return true
}

// Leave counts a connection from a out.
func (s *Sources) Leave(a netip.Addr) {
	if s.Limit <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		return // it came with a header that named no address
	}
	if s.open[a]--; s.open[a] <= 0 {
		delete(s.open, a)
	}
}
