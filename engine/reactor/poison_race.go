//go:build linux && race

package reactor

import "bytes"

var poisoned = bytes.Repeat([]byte{0xdb}, huge)

// poison overwrites octets that nobody may look at any more. With the race
// detector every use of a buffer after it was given back shows as wrong octets.
func poison(p []byte) {
	for len(p) > 0 {
		p = p[copy(p, poisoned):]
	}
}
