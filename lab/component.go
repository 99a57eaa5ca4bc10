package lab

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// components are what the health pages of one CAS tell, which is what its
// administrator and its own watchdog have set. The zero value tells that all works.
type components struct {
	mu   sync.Mutex // guards the fields below
	off  map[string]bool
	name string // on the pages; empty: its own
}

// SetOffline takes a directory out of service in an orderly way, or all of them
// for All, as the component states of Exchange 2013 and later do: its health page
// says so, and the directory works on. SMTP takes no mail while all is off. False
// puts it into service again.
func (s *CAS) SetOffline(directory string, off bool) error {
	if directory != All && !slices.Contains(s.Directories(), directory) {
		return fmt.Errorf("%w: %q", errNoDirectory, directory)
	}
	c := &s.components
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case off && c.off == nil:
		c.off = make(map[string]bool)
	case !off && directory == All:
		clear(c.off)
	}
	if off {
		c.off[directory] = true
	} else {
		delete(c.off, directory)
	}
	return nil
}

// SetName has the health pages name another server, as where an address leads to
// the wrong one; empty is the CAS's own name.
func (s *CAS) SetName(fqdn string) {
	s.components.mu.Lock()
	defer s.components.mu.Unlock()
	s.components.name = fqdn
}

// healthCheck answers the page by which Exchange 2013 and later tell a balancer
// that a directory works. It asks for no credentials.
func (s *CAS) healthCheck(v *visit, directory string) {
	c := &s.components
	c.mu.Lock()
	off, name := c.off[directory] || c.off[All], c.name
	c.mu.Unlock()
	if off {
		v.answer(http.StatusServiceUnavailable, typeHTML, "Service Unavailable")
		return
	}
	if name == "" {
		name = s.FQDN()
	}
	v.answer(http.StatusOK, typeHTML, "200 OK<br/>"+name)
}

// state describes the components in words; empty: all is as it should be.
func (c *components) state() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var words []string
	if c.off[All] {
		words = append(words, "ServerWideOffline")
	}
	if c.name != "" {
		words = append(words, "calls itself "+c.name)
	}
	return strings.Join(words, ", ")
}

// offline reports whether a directory is out of service by an order of its own, or
// for All the whole.
func (c *components) offline(directory string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off[directory]
}

// orderComponent carries out an order about components; false: it is none.
func (s *CAS) orderComponent(directory string, words []string) (bool, error) {
	switch {
	case len(words) == 1 && words[0] == "offline":
		return true, s.SetOffline(directory, true)
	case len(words) == 1 && words[0] == "online":
		return true, s.SetOffline(directory, false)
	case len(words) == 2 && words[0] == "name" && directory == All:
		other, ok := s.array.Named(words[1])
		if !ok {
			return true, fmt.Errorf("%w: no server %q", errOrder, words[1])
		}
		s.SetName(other.FQDN())
		if other == s {
			s.SetName("")
		}
		return true, nil
	default:
		return false, nil
	}
}

// orderAccount carries out an order about an account.
func (a *Array) orderAccount(name, word string) error {
	if _, ok := a.users.known(name); !ok {
		return fmt.Errorf("%w: %q", errNoUser, name)
	}
	switch word {
	case "refuse":
		a.users.Refuse(name, true)
	case "ok":
		a.users.Refuse(name, false)
	default:
		return fmt.Errorf("%w: account %q", errOrder, word)
	}
	return nil
}
