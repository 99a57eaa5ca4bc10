package tlsterm

import (
	"crypto/rand"
	"crypto/tls"
	"sync"
)

// keptKeys is how many ticket keys open tickets: the newest, which also seals
// them, and those before it. A ticket is good for two rotations at least.
const keptKeys = 3

// TicketKeys holds the keys of session tickets, so that a session resumes on any
// listener and after a reload. A key that leaks opens the sessions sealed with
// it, so they are rotated. Made by NewTicketKeys.
type TicketKeys struct {
	mu   sync.Mutex // guards the field below
	keys [][32]byte // the newest first
}

// NewTicketKeys returns keys with one random key.
func NewTicketKeys() *TicketKeys {
	k := new(TicketKeys)
	k.Rotate()
	return k
}

// Rotate puts a new random key first and forgets the oldest beyond three. It
// takes effect in each config at the next Apply.
func (k *TicketKeys) Rotate() {
	var key [32]byte
	rand.Read(key[:]) // never fails: crypto/rand ends the process instead
	k.mu.Lock()
	defer k.mu.Unlock()
	next := append([][32]byte{key}, k.keys...)
	k.keys = next[:min(len(next), keptKeys)]
}

// Apply gives c the keys. It is safe while c is in use.
func (k *TicketKeys) Apply(c *tls.Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.SetSessionTicketKeys(k.keys)
}
