package rpchttp

import (
	"bytes"
	"testing"
)

// What is accepted is a prefix of the input, its commands fill it, and what the
// sniffer says does not depend on how the octets came.
func FuzzRTS(f *testing.F) {
	for _, s := range samples {
		f.Add(s.pdu, uint8(7))
	}
	f.Add([]byte{5, 0, 20, 3, 0x10, 0, 0, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		before := bytes.Clone(in)
		pdu, n, err := Parse(in)
		switch {
		case err != nil && n != 0, err == nil && (n < HeaderOctets || n > len(in)):
			t.Fatalf("Parse = %d, %v of %d octets", n, err, len(in))
		case err == nil:
			sum := HeaderOctets
			for kind, payload := range pdu.All() {
				if kind >= commands {
					t.Fatalf("command %d", kind)
				}
				sum += 4 + len(payload)
			}
			if sum != n {
				t.Fatalf("commands make %d octets of %d", sum, n)
			}
			if again, m, err := Parse(in[:n]); err != nil || m != n || again.Flags != pdu.Flags {
				t.Fatalf("read again: %d, %v", m, err)
			}
		}
		whole := sniff(in, len(in))
		if parts := sniff(in, int(size)); parts != whole {
			t.Fatalf("in parts of %d: %+v; at once: %+v", size, parts, whole)
		}
		if whole.Kind != None && (len(in) < firstOctets || Cookie(in[virtualAt:]) != whole.Virtual || whole.Virtual.IsZero()) {
			t.Fatalf("%+v of %x", whole, in)
		}
		if !bytes.Equal(in, before) {
			t.Fatal("the octets were changed")
		}
	})
}

// sniff shows in to a sniffer in parts of that size.
func sniff(in []byte, size int) First {
	var s Sniffer
	looked := 0
	for rest := in; len(rest) > 0; {
		part := rest[:min(max(size, 1), len(rest))]
		n, over := s.See(part)
		if looked += n; looked > firstOctets || n > len(part) {
			panic("BUG: it looked at more than it needs")
		}
		if over {
			break
		}
		rest = rest[len(part):]
	}
	return s.First()
}
