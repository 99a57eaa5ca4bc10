package tlsterm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ticketHead is the first line of the text form of ticket keys. One line for
// each key follows, the newest first: when it was made, and the key in
// hexadecimal.
const ticketHead = "casbah ticket keys 1"

// ErrTicketKeys is what every error of Restore is.
var ErrTicketKeys = errors.New("ticket keys")

// MarshalText returns all keys as text, for a file that nobody else may read.
func (k *TicketKeys) MarshalText() ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := []byte(ticketHead + "\n")
	for i := range k.keys {
		text = k.keys[i].made.UTC().AppendFormat(text, time.RFC3339Nano)
		text = append(text, ' ')
		text = hex.AppendEncode(text, k.keys[i].key[:])
		text = append(text, '\n')
	}
	return text, nil
}

// Restore replaces the keys by those of text, as MarshalText has written it, and
// leaves them as they are on an error, which never quotes a key. What is too old
// goes at the next Turn. A key from further in the future than keys are made, as
// after a clock was set back, counts as made now, or with the one that was made after
// it: else none would be made until then.
func (k *TicketKeys) Restore(text []byte, now time.Time) error {
	keys, err := parseTicketKeys(string(text), now, 2*k.lead)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTicketKeys, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = keys
	k.apply(now, true)
	return nil
}

// parseTicketKeys reads the text form. Keys may be ahead of now by as much.
func parseTicketKeys(text string, now time.Time, ahead time.Duration) ([]ticketKey, error) {
	body, whole := strings.CutSuffix(text, "\n")
	lines := strings.Split(body, "\n")
	switch {
	case lines[0] != ticketHead:
		return nil, fmt.Errorf("line 1: want %q", ticketHead)
	case !whole:
		return nil, fmt.Errorf("line %d: want a line that ends", len(lines))
	case len(lines) == 1:
		return nil, errors.New("line 2: want a key, got none")
	case len(lines) > 1+keptKeys:
		return nil, fmt.Errorf("want at most %d keys, got %d", keptKeys, len(lines)-1)
	}
	keys := make([]ticketKey, 0, len(lines)-1)
	for i, line := range lines[1:] {
		made, value, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, made)
		if err != nil {
			return nil, fmt.Errorf("line %d: want a time such as 2026-01-31T08:00:00Z, and a key", i+2)
		}
		var key ticketKey
		if n, err := hex.Decode(key.key[:], []byte(cutTo(value, 2*len(key.key)))); err != nil || n != len(key.key) || len(value) != 2*n {
			return nil, fmt.Errorf("line %d: want a key of %d octets in hexadecimal", i+2, len(key.key))
		}
		if key.made = at; at.After(now.Add(ahead)) {
			if key.made = now; i > 0 && now.After(keys[i-1].made) {
				key.made = keys[i-1].made
			}
		}
		if i > 0 && key.made.After(keys[i-1].made) {
			return nil, fmt.Errorf("line %d: want a key that is not newer than the one before", i+2)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// cutTo returns at most n octets of s.
func cutTo(s string, n int) string { return s[:min(n, len(s))] }
