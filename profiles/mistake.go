package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file; lines and columns count from 1, columns in octets.
type Position struct {
	Line, Col int
}

// Mistake is one thing in a configuration file that cannot stay as it is.
type Mistake struct { //nolint:errname // the word that operators read
	File string
	Position
	Key  string // what the operator calls the place, such as `vip "mail": tls.min_version`
	Want string // what is allowed, in words that an operator can act on
	Got  string // what stands there
}

// Error renders m in the form that editors and CI logs can jump to.
func (m *Mistake) Error() string {
	key := m.Key
	if key != "" {
		key += ": "
	}
	return fmt.Sprintf("%s:%d:%d: %swant %s, got %s", m.File, m.Line, m.Col, key, m.Want, m.Got)
}

// Mistakes are all the mistakes of a file, in the order of their lines.
type Mistakes []*Mistake //nolint:errname // as above

// Error renders one mistake per line.
func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single mistake.
func (ms Mistakes) Unwrap() []error {
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = m
	}
	return errs
}

// Note is what a file may hold and an operator should know.
type Note struct {
	File string
	Position
	Key  string
	Text string
}

// String renders n like a mistake.
func (n *Note) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: note: %s", n.File, n.Line, n.Col, n.Key, n.Text)
}

// Notes are all the notes on a file, in the order of their lines.
type Notes []*Note

// before orders positions.
func before(a, b Position) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}

// sort puts mistakes in the order of their positions; those of one position
// stay in the order in which they were found.
func (ms Mistakes) sort() {
	slices.SortStableFunc(ms, func(a, b *Mistake) int { return before(a.Position, b.Position) })
}

func (ns Notes) sort() {
	slices.SortStableFunc(ns, func(a, b *Note) int { return before(a.Position, b.Position) })
}
