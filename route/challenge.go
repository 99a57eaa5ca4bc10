package route

import (
	"bytes"
	"maps"
	"sync/atomic"
)

// challengePath is what the paths begin with at which an ACME server looks whether
// a name is ours (RFC 8555, Section 8.3).
var challengePath = []byte("/.well-known/acme-challenge/")

// Challenges are the paths that an ACME server may ask for now, on any VIP of type
// http. The zero value has none. Requests read it without a lock.
type Challenges struct {
	open atomic.Pointer[map[string]string] // answers by token; nil: none
}

// Answer has requests for the token answered. It is not called while another
// Answer or Clear runs.
func (c *Challenges) Answer(token, answer string) {
	next := make(map[string]string)
	if open := c.open.Load(); open != nil {
		next = maps.Clone(*open)
	}
	next[token] = answer
	c.open.Store(&next)
}

// Clear ends all challenges.
func (c *Challenges) Clear() { c.open.Store(nil) }

// Find returns the answer to a request with that path; empty for all others, which
// are those of clients. It does not allocate. A nil c has none.
func (c *Challenges) Find(path []byte) string {
	if c == nil {
		return ""
	}
	open := c.open.Load()
	if open == nil {
		return "" // common case
	}
	token, ok := bytes.CutPrefix(path, challengePath)
	if !ok {
		return ""
	}
	return (*open)[string(token)]
}
