//go:build linux

package reactor

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// A buffer holds what was added and not taken, in order, whatever its size;
// and no octet of it is another's.
func TestBuffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s buffers
		held := make([]*buffer, 4)
		want := make([][]byte, 4)
		next := byte(0)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			i := rapid.IntRange(0, len(held)-1).Draw(t, "buffer")
			switch n := rapid.SampledFrom([]int{1, 100, 4096, 5000, 20 << 10, 60 << 10, 130 << 10}).Draw(t, "octets"); {
			case rapid.IntRange(0, 2).Draw(t, "what") > 0:
				next++
				p := bytes.Repeat([]byte{next}, n)
				held[i] = s.add(held[i], p)
				want[i] = append(want[i], p...)
			case held[i] != nil:
				n = min(n, len(want[i]))
				held[i].r += n
				if want[i] = want[i][n:]; len(want[i]) == 0 {
					s.put(held[i])
					held[i] = nil
				}
			}
			for j, b := range held {
				if b != nil && !bytes.Equal(b.octets(), want[j]) {
					t.Fatalf("buffer %d holds %d octets, not the %d that were added", j, len(b.octets()), len(want[j]))
				}
			}
		}
	})
}

// What a loop keeps is bounded, and a free buffer is lent again.
func TestBuffersAreKept(t *testing.T) {
	var s buffers
	for i, class := range classes {
		lent := make([]*buffer, 0, 2*class.keep)
		for range 2 * class.keep {
			lent = append(lent, s.get(class.size))
		}
		for _, b := range lent {
			s.put(b)
		}
		if s.kept[i] != class.keep {
			t.Errorf("%d buffers of %d octets are kept; want %d", s.kept[i], class.size, class.keep)
		}
		b := s.get(class.size)
		if s.put(b); s.get(class.size) != b {
			t.Errorf("a free buffer of %d octets is not lent again", class.size)
		}
	}
}
