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

	// ticketLead is how long before it seals a key is among those that nodes share:
	// by then all of them have it, and none refuses the others' tickets.
	ticketLead = time.Hour
)

// TicketKeys holds the keys of session tickets, so that a session resumes on any
// listener, after a reload and, with MarshalText, after a restart. A key that
// leaks opens the sessions sealed with it, so they are changed. Made by
// NewTicketKeys.
type TicketKeys struct {
	seal tls.Config // holds the keys in force, and seals and opens; no connection has it

	mu    sync.Mutex    // guards the fields below
	keys  []ticketKey   // the newest first
	lead  time.Duration // how long before it seals a key is made; 0: it seals at once
	seals [32]byte      // the key that seals: the newest whose time has come
}

// ticketKey is one key, and when it begins to seal.
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

// Share has keys made some time before they seal, for nodes that read them from one
// file. It is called before anything else.
func (k *TicketKeys) Share() { k.lead = ticketLead }

// Turn makes a new key if the newest has sealed for 8 hours, and forgets those
// that have sealed nothing for 24 hours. It reports whether the keys have
// changed. Handshakes under way are not disturbed.
func (k *TicketKeys) Turn(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := false
	if len(k.keys) == 0 || now.Sub(k.keys[0].made) >= ticketTurn-k.lead {
		next := ticketKey{made: now}
		if len(k.keys) > 0 {
			next.made = now.Add(k.lead)
		}
		rand.Read(next.key[:]) // never fails: crypto/rand ends the process instead
		k.keys = append([]ticketKey{next}, k.keys...)
		changed = true
	}
	for i := 1; i < len(k.keys); i++ {
		if i == keptKeys || now.Sub(k.keys[i-1].made) >= ticketLife {
			k.keys, changed = k.keys[:i], true
		}
	}
	k.apply(now, changed)
	return changed
}

// Advance has the key seal whose time has come, and leaves it to others to make new
// ones. It returns how long that key has sealed.
func (k *TicketKeys) Advance(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return now.Sub(k.keys[k.apply(now, false)].made)
}

// apply puts the keys in force, if they have changed or another one is to seal, of
// which it returns the index. The mutex is held.
func (k *TicketKeys) apply(now time.Time, changed bool) int {
	at := 0
	for at < len(k.keys)-1 && k.keys[at].made.After(now) {
		at++
	}
	if !changed && k.keys[at].key == k.seals {
		return at
	}
	k.seals = k.keys[at].key
	raw := [][32]byte{k.seals} // the first seals, and all of them open
	for i := range k.keys {
		if i != at {
			raw = append(raw, k.keys[i].key)
		}
	}
	k.seal.SetSessionTicketKeys(raw)
	return at
}
