package balance

import (
	"fmt"
	"strings"
)

// Algorithm chooses among candidates. Implementations are safe for concurrent
// use and do not allocate. One may remember its last choices by candidate index:
// it belongs to one list of candidates.
type Algorithm interface {
	// Pick returns the index of the chosen candidate, or -1 if none is
	// eligible. Hash is of the client's address, for source_hash.
	Pick(cs []Candidate, eligible Eligible, hash uint64) int
	// Clone returns an algorithm that picks what this one would pick next, unless
	// it draws lots. Its picks change nothing for this one: it is for explanations.
	Clone() Algorithm
}

// algorithms holds every algorithm by its name in the configuration.
var algorithms = []struct {
	name string
	make func() Algorithm
}{
	{"least_conn", func() Algorithm { return new(LeastConn) }},
	{"round_robin", func() Algorithm { return new(RoundRobin) }},
	{"source_hash", func() Algorithm { return SourceHash{} }},
	{"least_time", func() Algorithm { return new(LeastTime) }},
	{"random_two", func() Algorithm { return RandomTwo{} }},
}

// Algorithms returns the names that New takes, the default first.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	return names
}

// New returns the algorithm of that name, for one list of candidates.
func New(name string) (Algorithm, error) {
	for _, a := range algorithms {
		if a.name == name {
			return a.make(), nil
		}
	}
	return nil, fmt.Errorf("algorithm: want one of %s, got %q", strings.Join(Algorithms(), ", "), name)
}
