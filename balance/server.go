// Package balance holds the live counters of servers and services, and the
// algorithms that choose one among the services that are up.
package balance

import (
	"sync"
	"sync/atomic"
)

// ServerID names a server for the life of a state directory; 0 is none.
type ServerID uint16

// Server is the part of a server that outlives a reload. Snapshots that hold
// the same server share it.
type Server struct {
	ID   ServerID
	Name string

	Active   atomic.Int64  // requests and relayed connections open now, over all profiles
	Requests atomic.Uint64 // begun since start

	places
	Queue Queue
}

// Queue counts those that waited for a place at a server.
type Queue struct {
	Served atomic.Uint64 // that got one
	Nanos  atomic.Uint64 // how long these waited, all together
	Full   atomic.Uint64 // that found no room to wait
	Late   atomic.Uint64 // whose time was over
}

// Servers gives each server name its Server, the same one for ever. The zero
// value is ready.
type Servers struct {
	mu     sync.Mutex // guards the fields below
	byName map[string]*Server
	byID   []*Server // index is ID-1
}

// Get returns the server of that name, made at its first mention.
func (s *Servers) Get(name string) *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.byName[name]; v != nil {
		return v
	}
	if s.byName == nil {
		s.byName = make(map[string]*Server)
	}
	v := &Server{ID: ServerID(len(s.byID) + 1), Name: name}
	s.byName[name] = v
	s.byID = append(s.byID, v)
	return v
}

// ByID returns the server with that ID, or nil.
func (s *Servers) ByID(id ServerID) *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == 0 || int(id) > len(s.byID) {
		return nil
	}
	return s.byID[id-1]
}
