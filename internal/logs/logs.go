// Package logs holds the loggers of the parts of casbah, each with a level that
// can be changed while it runs.
package logs

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// Part is what a message is about; each has a level of its own.
type Part uint8

// The parts.
const (
	Node        Part = iota // start, reload, stop, and what is of no other part
	Health                  // probes and the states of services
	TLS                     // certificates, their issuers, tickets, Extended Protection
	Persistence             // the table of bindings, inserted cookies
	RPC                     // channels of RPC over HTTP, endpoint mappers
	Operator                // what operators have ordered
	Engine                  // listeners, addresses of servers, faults
	Admin                   // the page, the API, systemd
	parts
)

// words are the names of the parts in log, API and commands.
var words = [parts]string{"node", "health", "tls", "persistence", "rpc", "operator", "engine", "admin"}

func (p Part) String() string { return words[p] }

// Parts returns the names of all parts.
func Parts() []string { return words[:] }

// Levels are the words for a level, the least first.
var Levels = []string{"debug", "info", "warn", "error"}

// Set is the loggers of all parts. Made by New.
type Set struct {
	configured zerolog.Level
	loggers    [parts]zerolog.Logger
	levels     [parts]level
}

// level is the least level that the messages of a part are written at.
type level struct{ atomic.Int32 }

// Run drops a message below the level.
func (l *level) Run(e *zerolog.Event, at zerolog.Level, _ string) {
	if at < zerolog.Level(l.Load()) {
		e.Discard()
	}
}

// New returns loggers that write to base from the level of that word on.
func New(base zerolog.Logger, word string) *Set {
	s := &Set{configured: levelOf(word)}
	for p := range s.loggers {
		s.levels[p].Store(int32(s.configured))
		s.loggers[p] = base.Level(zerolog.DebugLevel).With().Str("part", words[p]).Logger().Hook(&s.levels[p])
	}
	return s
}

// Of returns the logger of a part.
func (s *Set) Of(p Part) *zerolog.Logger { return &s.loggers[p] }

// Set changes the level of the part of that name, or of all parts where it is
// empty; an empty word is the level that the configuration gives.
func (s *Set) Set(part, word string) error {
	at := s.configured
	if word != "" {
		if !slices.Contains(Levels, word) {
			return fmt.Errorf("level: want one of %s, got %q", strings.Join(Levels, ", "), word)
		}
		at = levelOf(word)
	}
	which := slices.Index(words[:], part)
	if which < 0 && part != "" {
		return fmt.Errorf("part: want one of %s, or none for all, got %q", strings.Join(words[:], ", "), part)
	}
	for p := range s.levels {
		if part == "" || p == which {
			s.levels[p].Store(int32(at))
		}
	}
	return nil
}

// Levels returns the level of each part, by name.
func (s *Set) Levels() map[string]string {
	all := make(map[string]string, parts)
	for p := range s.levels {
		all[words[p]] = zerolog.Level(s.levels[p].Load()).String()
	}
	return all
}

// levelOf returns the level of a word that is known; info of any other.
func levelOf(word string) zerolog.Level {
	if l, err := zerolog.ParseLevel(word); err == nil && slices.Contains(Levels, word) {
		return l
	}
	return zerolog.InfoLevel
}
