package lab

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
)

// maxSessions bounds what one directory of one CAS remembers of its clients.
const maxSessions = 1 << 16

// sessions is what one directory of one CAS remembers of its clients, by a
// ticket that cannot be guessed. It lives in that CAS alone and is lost when it
// stops, as the memory of an IIS worker process is. The zero value is ready.
type sessions[T any] struct {
	mu       sync.Mutex // guards the field below
	byTicket map[string]T
}

// open remembers v and returns its ticket.
func (s *sessions[T]) open(v T) (ticket string) {
	ticket = newTicket()
	s.put(ticket, v)
	return ticket
}

// put remembers v under a ticket that the caller made.
func (s *sessions[T]) put(ticket string, v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byTicket == nil {
		s.byTicket = make(map[string]T)
	}
	if len(s.byTicket) >= maxSessions {
		for any := range s.byTicket { // one that the map happens to give first
			delete(s.byTicket, any)
			break
		}
	}
	s.byTicket[ticket] = v
}

func (s *sessions[T]) get(ticket string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.byTicket[ticket]
	return v, ok
}

func (s *sessions[T]) drop(ticket string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byTicket, ticket)
}

func (s *sessions[T]) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byTicket)
}

// newTicket returns 128 random bits in hexadecimal.
func newTicket() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

// newGUID returns a random GUID in the spelling of Windows.
func newGUID() string {
	t := newTicket()
	return fmt.Sprintf("%s-%s-%s-%s-%s", t[:8], t[8:12], t[12:16], t[16:20], t[20:])
}
