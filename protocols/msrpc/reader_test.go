package msrpc

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// readAll plays octets in pieces cut where cuts say, and returns the whole PDUs,
// and all octets that came out.
func readAll(tb rapid.TB, r *Reader, b []byte, cuts []int) (pdus [][]byte, out []byte, err error) {
	taken := 0
	for _, p := range cut(b, cuts) {
		for len(p) > 0 {
			piece, used, e := r.Next(p)
			if piece.Whole {
				pdus = append(pdus, bytes.Clone(piece.Octets))
			}
			out = append(out, piece.Octets...)
			p = p[used:]
			if taken += used; e != nil {
				return pdus, append(append(out, r.Rest()...), b[taken:]...), e
			}
			if used == 0 {
				tb.Fatalf("nothing was used of %d octets", len(p))
			}
		}
		if held := cap(r.part); held > 2*MaxPDU {
			tb.Fatalf("%d octets are held", held)
		}
	}
	return pdus, append(out, r.Rest()...), nil
}

// cut cuts b into pieces; each number is the length of one, the last of all that follow.
func cut(b []byte, cuts []int) [][]byte {
	var pieces [][]byte
	for i := 0; len(b) > 0; i++ {
		n := len(b)
		if len(cuts) > 0 {
			n = min(n, max(1, cuts[min(i, len(cuts)-1)]))
		}
		pieces = append(pieces, slices.Clone(b[:n]))
		b = b[n:]
	}
	return pieces
}

func TestReaderSplits(t *testing.T) {
	long := Response{Header: header(bigEndian, TypeResponse, 9), Stub: make([]byte, 60000)}
	rts := slices.Concat([]byte{5, 0, byte(TypeRTS), 3, 0x10, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 4))
	stream := slices.Concat(unhex(t, epmBind), rts, unhex(t, nspiAsk), long.AppendTo(nil, 0), unhex(t, epmAck))
	tests := []struct {
		name  string
		whole Types
		limit int
		want  []int // lengths of whole PDUs
	}{
		{"all", connectionOriented, 0, []int{72, 20, 156, 60024, 60}},
		{"limit-at", connectionOriented, 60024, []int{72, 20, 156, 60024, 60}},
		{"limit-below", connectionOriented, 60023, []int{72, 20, 156, 60}},
		{"requests", Of(TypeRequest), 0, []int{156}},
		{"none", 0, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, cuts := range [][]int{nil, {1}, {15}, {16}, {17}, {72, 5, 11, 4, 16, 1000}, {4096}} {
				pdus, out, err := readAll(t, &Reader{Whole: tt.whole, Limit: tt.limit}, stream, cuts)
				if err != nil || !bytes.Equal(out, stream) {
					t.Fatalf("cut %v: %d of %d octets came out, %v", cuts, len(out), len(stream), err)
				}
				var got []int
				for _, p := range pdus {
					got = append(got, len(p))
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("cut %v: whole PDUs of %v; want %v", cuts, got, tt.want)
				}
			}
		})
	}
}

// What is in one piece is not copied, and what passes by is not held.
func TestReaderCopiesOnlyParts(t *testing.T) {
	b := unhex(t, nspiAsk)
	r := Reader{Whole: Of(TypeRequest)}
	piece, used, err := r.Next(b)
	if err != nil || used != len(b) || &piece.Octets[0] != &b[0] || r.part != nil {
		t.Errorf("used %d of %d, %v, part of %d octets; want the PDU itself", used, len(b), err, cap(r.part))
	}
	long := (&Request{Header: header(LittleEndian, TypeRequest, 1), Stub: make([]byte, 50000)}).AppendTo(nil, 0)
	r = Reader{Whole: Of(TypeRequest), Limit: 1000}
	if _, _, err := readAll(t, &r, long, []int{10, 3, 100}); err != nil || cap(r.part) > 100 {
		t.Errorf("%d octets are held of what passes by, %v", cap(r.part), err)
	}
	r = Reader{Whole: Of(TypeRequest)}
	if _, _, err := readAll(t, &r, slices.Concat(long, b[:1]), []int{1000}); err != nil || cap(r.part) > kept {
		t.Errorf("%d octets are kept behind a long PDU, %v", cap(r.part), err)
	}
}

func TestReaderStopsAtGarbage(t *testing.T) {
	stream := append(unhex(t, epmBind), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"...)
	for _, cuts := range [][]int{nil, {1}, {75}, {80, 1}} {
		r := Reader{Whole: connectionOriented}
		pdus, out, err := readAll(t, &r, stream, cuts)
		if err == nil || len(pdus) != 1 {
			t.Fatalf("cut %v: %d PDUs, %v; want one and an error", cuts, len(pdus), err)
		}
		if !bytes.Equal(out, stream) {
			t.Errorf("cut %v: %x came out; want %x", cuts, out, stream)
		}
		if _, used, again := r.Next([]byte{5}); used != 0 || again == nil {
			t.Errorf("it goes on behind an error: %d octets, %v", used, again)
		}
	}
}

// What cannot become a PDU is not held until there are 16 octets.
func TestReaderTellsGarbageEarly(t *testing.T) {
	for _, tt := range []struct {
		p  []byte
		ok bool
	}{{[]byte("2"), false}, {[]byte{5}, true}, {[]byte{5, 2}, false}, {[]byte{5, 1, 99}, true}} {
		for _, cuts := range [][]int{nil, {1}} {
			if _, _, err := readAll(t, &Reader{Whole: connectionOriented}, tt.p, cuts); (err == nil) != tt.ok {
				t.Errorf("%x cut %v: %v; want it taken: %v", tt.p, cuts, err, tt.ok)
			}
		}
	}
}

func TestAssemblyLimits(t *testing.T) {
	r := Response{Header: header(LittleEndian, TypeResponse, 7), Stub: make([]byte, 400)}
	pdus, _, err := readAll(t, &Reader{Whole: connectionOriented}, r.AppendTo(nil, 124), nil)
	if err != nil || len(pdus) != 5 {
		t.Fatalf("%d fragments, %v; want 5", len(pdus), err)
	}
	whole := 0
	for _, p := range pdus {
		whole += len(p)
	}
	other := bytes.Clone(pdus[1])
	other[12]++
	turned := (&Response{Header: header(bigEndian, TypeResponse, 7), Stub: make([]byte, 8)}).AppendTo(nil, 0)
	turned[3] = 0
	tests := []struct {
		name              string
		octets, fragments int
		pdus              [][]byte
		want              error
	}{
		{"at-limits", whole, 5, pdus, nil},
		{"too-many-octets", whole - 1, 5, pdus, errLimit},
		{"too-many-fragments", whole, 4, pdus, errLimit},
		{"no-first", 0, 0, pdus[1:], errOrder},
		{"two-firsts", 0, 0, [][]byte{pdus[0], pdus[0]}, errOrder},
		{"behind-last", 0, 0, [][]byte{pdus[0], pdus[4], pdus[1]}, errOrder},
		{"another-call", 0, 0, [][]byte{pdus[0], other}, errOrder},
		{"another-order", 0, 0, [][]byte{pdus[0], turned}, errOrder},
		{"no-call", 0, 0, [][]byte{unhex(t, epmBind)}, ErrPDU},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := Assembly{MaxOctets: tt.octets, MaxFragments: tt.fragments}
			var err error
			for _, p := range tt.pdus {
				if _, err = a.Add(p); err != nil {
					break
				}
			}
			if err != tt.want { //nolint:errorlint // none is wrapped
				t.Errorf("Add: %v; want %v", err, tt.want)
			}
		})
	}
}
