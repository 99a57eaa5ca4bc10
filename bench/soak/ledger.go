package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// keptBreaches is how many breaches are told word by word.
const keptBreaches = 20

// ledger counts what is done, and what must not be.
type ledger struct {
	ids      atomic.Uint64 // of requests and client connections; the last one given
	requests atomic.Int64  // answered right
	octets   atomic.Int64  // of bodies that were compared, both ways
	posts    atomic.Int64
	missed   atomic.Int64 // POSTs without an answer that met a kept connection which its server had closed

	mu       sync.Mutex // guards the fields below
	kinds    map[string]map[string]int
	breaches []string
	breached int
}

// next returns a number that nothing else has.
func (l *ledger) next() uint64 { return l.ids.Add(1) }

// count takes down that an action of a kind ended in some way.
func (l *ledger) count(kind, end string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kinds == nil {
		l.kinds = make(map[string]map[string]int)
	}
	if l.kinds[kind] == nil {
		l.kinds[kind] = make(map[string]int)
	}
	l.kinds[kind][end]++
}

// breach takes down that a rule was broken.
func (l *ledger) breach(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breached++
	if len(l.breaches) < keptBreaches {
		l.breaches = append(l.breaches, fmt.Sprintf(format, args...))
	}
}

// verdict is breach for what is found at the end, which is told in any case, and
// before the rest.
func (l *ledger) verdict(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breached++
	l.breaches = append([]string{fmt.Sprintf(format, args...)}, l.breaches...)
}

// broken returns how many rules were broken.
func (l *ledger) broken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breached
}

// actions returns how many actions have ended.
func (l *ledger) actions() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, ends := range l.kinds {
		for _, k := range ends {
			n += k
		}
	}
	return n
}

// summary writes the counts and the breaches.
func (l *ledger) summary(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(l.kinds)) {
		fmt.Fprintf(w, "  %-16s", kind)
		for _, end := range slices.Sorted(maps.Keys(l.kinds[kind])) {
			fmt.Fprintf(w, " %s %d", end, l.kinds[kind][end])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "requests answered right: %d, octets compared: %d, POSTs that met a closed connection: %d of %d\n",
		l.requests.Load(), l.octets.Load(), l.missed.Load(), l.posts.Load())
	for _, b := range l.breaches {
		fmt.Fprintln(w, "BREACH:", b)
	}
	if more := l.breached - len(l.breaches); more > 0 {
		fmt.Fprintf(w, "and %d breaches more\n", more)
	}
}
