package persistence

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// shortestPrefix is how many digits tell a key from most others: decisions show
// more.
const shortestPrefix = 8

// KeyPrefix is what keys begin with in hexadecimal. The zero value is what all do.
type KeyPrefix struct{ begin, mask Key }

// ParseKeyPrefix reads the first digits of a key, all but the last at most.
func ParseKeyPrefix(text string) (KeyPrefix, error) {
	n := len(text)
	begin, err := hex.DecodeString(text + strings.Repeat("0", max(keyDigits-n, 0)))
	if err != nil || n < shortestPrefix || n >= keyDigits {
		return KeyPrefix{}, fmt.Errorf("want the %d hexadecimal digits of a key, or at least its first %d, got %q", keyDigits, shortestPrefix, text)
	}
	mask, _ := hex.DecodeString(strings.Repeat("f", n) + strings.Repeat("0", keyDigits-n))
	return KeyPrefix{keyFrom(begin), keyFrom(mask)}, nil
}

// begins reports whether k begins so.
func (p KeyPrefix) begins(k Key) bool {
	return (k.hi^p.begin.hi)&p.mask.hi == 0 && (k.lo^p.begin.lo)&p.mask.lo == 0
}
