package tlsbio

import (
	"strings"
	"testing"
)

// someRecords are three records of 8, 5 and 263 octets.
var someRecords = []byte("\x16\x03\x01\x00\x03abc" + "\x17\x03\x03\x00\x00" + "\x17\x03\x03\x01\x02" + strings.Repeat("x", 0x102))

// TestRecords finds the boundaries of records, in whatever pieces they come.
func TestRecords(t *testing.T) {
	whole := map[int]bool{0: true, 8: true, 13: true, len(someRecords): true}
	for piece := 1; piece <= len(someRecords); piece++ {
		var r Records
		for at := 0; at < len(someRecords); {
			n := min(piece, len(someRecords)-at)
			r.Pass(someRecords[at : at+n])
			at += n
			if got := r.Whole(); got != whole[at] {
				t.Fatalf("pieces of %d: at a boundary after %d octets = %v; want %v", piece, at, got, whole[at])
			}
		}
	}
}

// TestRecordsRest cuts a stream at every place, and there at the next boundary.
func TestRecordsRest(t *testing.T) {
	next := func(at int) int {
		for _, b := range []int{8, 13} {
			if at < b {
				return b
			}
		}
		return len(someRecords)
	}
	for at := range len(someRecords) {
		var r Records
		r.Pass(someRecords[:at])
		for end := at; end <= len(someRecords); end++ {
			want := min(next(at), end) - at
			if got := r.rest(someRecords[at:end]); got != want {
				t.Fatalf("after %d octets, of %d more: rest = %d; want %d", at, end-at, got, want)
			}
		}
	}
}

// FuzzRecords walks through any octets by rest, and finds the boundaries that
// Pass finds in one go.
func FuzzRecords(f *testing.F) {
	f.Add(someRecords)
	f.Add(someRecords[:10])
	f.Add([]byte("\x17\x03\x03\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var all, r Records
		all.Pass(in)
		for left := in; len(left) > 0; {
			n := r.rest(left)
			if n <= 0 || n > recordHeader+0xffff || n < len(left) && !endsRecord(r, left[:n]) {
				t.Fatalf("rest = %d of %d octets", n, len(left))
			}
			r.Pass(left[:n])
			left = left[n:]
		}
		if r != all {
			t.Fatalf("record by record: %+v; at once: %+v", r, all)
		}
		var one Records
		for i := range in {
			one.Pass(in[i : i+1])
		}
		if one != all {
			t.Fatalf("one by one: %+v; at once: %+v", one, all)
		}
	})
}

func endsRecord(r Records, p []byte) bool {
	r.Pass(p)
	return r.Whole()
}
