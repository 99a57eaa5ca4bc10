package tlsterm

import (
	"crypto/rand"
	"crypto/tls"
	"sync"
	"time"
)

const (
	// ticketTurn is how long a key seals tickets.
	ticketTurn = 8 * time.Hour

	// ticketLife is how long a ticket can be opened at least: its key is kept for
	// that long after it has sealed the last one.
	ticketLife = 24 * time.Hour

	// keptKeys is more keys than a casbah has that turns them in time. Each may be
	// tried on a ticket that is forged.
	keptKeys = 16
)

// TicketKeys holds the keys of session tickets, so that a session resumes on any
// listener, after a reload and, with MarshalText, after a restart. A key that
// leaks opens the sessions sealed with it, so they are changed. Made by
// NewTicketKeys.
type TicketKeys struct {
	seal tls.Config // holds the keys in force, and seals and opens; no connection has it

	mu   sync.Mutex  // guards the field below
	keys []ticketKey // the newest first, which seals
}

// ticketKey is one key, and when it began to seal.
type ticketKey struct {
	made time.Time
	key  [32]byte
}

// NewTicketKeys returns keys with one random key, made now.
func NewTicketKeys(now time.Time) *TicketKeys {
	k := new(TicketKeys)
	k.Turn(now)
	return k
}

// Turn makes a new key if the newest has sealed for 8 hours, and forgets those
// that have sealed nothing for 24 hours. It reports whether the keys have
// changed. Handshakes under way are not disturbed.
func (k *TicketKeys) Turn(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := false
	if len(k.keys) == 0 || now.Sub(k.keys[0].made) >= ticketTurn {
		next := ticketKey{made: now}
		rand.Read(next.key[:]) // never fails: crypto/rand ends the process instead
		k.keys = append([]ticketKey{next}, k.keys...)
		changed = true
	}
	for i := 1; i < len(k.keys); i++ {
		if i == keptKeys || now.Sub(k.keys[i-1].made) >= ticketLife {
			k.keys, changed = k.keys[:i], true
		}
	}
	if changed {
		k.apply()
	}
	return changed
}

// apply puts the keys in force. The mutex is held.
func (k *TicketKeys) apply() {
	raw := make([][32]byte, len(k.keys))
	for i := range k.keys {
		raw[i] = k.keys[i].key
	}
	k.seal.SetSessionTicketKeys(raw)
}
