package profiles

import "fmt"

// Secret is a text that must not be shown: it prints as three stars whatever
// the verb, and marshals so.
type Secret string

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String returns three stars.
func (s Secret) String() string { return "***" }

// Format writes three stars for every verb, so that %#v or %x of a structure
// that holds a Secret does not show it either.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText returns three stars.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
