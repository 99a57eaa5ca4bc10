package profiles

import (
	"slices"
	"strconv"
	"strings"
)

// The costs of slips: two letters in the wrong order are likelier than a wrong
// letter, so that oaw is owa and not oab.
const (
	slip  = 2 // a letter too many, too few, or two swapped
	wrong = 3 // another letter
)

// nearest returns the word of known that name is most likely a misspelling of,
// or "": at most a third of its letters may differ, case aside.
func nearest(name string, known []string) string {
	best, least := "", wrong*max(1, len(name)/3)+1
	if len(name) > 40 {
		return "" // not a slip of the finger
	}
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is what it costs to make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = slip * j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = slip * i
		for j := 1; j <= len(b); j++ {
			cost := wrong
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+slip, row[j-1]+slip, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+slip)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// oneOf says in words which of known is wanted.
func oneOf(known []string) string {
	switch len(known) {
	case 1:
		return known[0]
	case 2:
		return orWords(known)
	}
	return "one of " + listWords(known)
}

// listWords joins words by commas.
func listWords(all []string) string { return strings.Join(all, ", ") }

// orWords joins words by "or".
func orWords(all []string) string { return strings.Join(all, " or ") }

// oneOfNames says which of the names in a configuration is wanted; a long list
// is cut, a likely one named.
func oneOfNames(what, got string, known []string) string {
	const most = 12
	known = slices.Compact(slices.DeleteFunc(slices.Sorted(slices.Values(known)), func(s string) bool { return s == "" }))
	want := "the name of a " + what
	if n := nearest(got, known); n != "" {
		return want + " (did you mean " + strconv.Quote(n) + "?)"
	}
	switch {
	case len(known) == 0:
		return want + " (there is none)"
	case len(known) > most:
		return want + " (" + listWords(known[:most]) + ", ...)"
	default:
		return want + " (" + listWords(known) + ")"
	}
}

// sorted returns the keys of m in order.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
