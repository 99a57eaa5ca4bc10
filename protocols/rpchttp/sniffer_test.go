package rpchttp

import (
	"bytes"
	"testing"
)

func TestSnifferKnowsEachKind(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    []byte
		want First
	}{
		{"A1", AppendConnA1(nil, virtual, channel), First{ConnA1, virtual}},
		{"B1", AppendConnB1(nil, virtual, channel, group), First{ConnB1, virtual}},
		{"IN_R1-A1", AppendInR1A1(nil, virtual, channel, other), First{NewIn, virtual}},
		{"OUT_R1-A3", AppendOutR1A3(nil, virtual, channel, other), First{NewOut, virtual}},
		{"cookie-of-zeros", AppendConnA1(nil, Cookie{}, channel), First{}},
		{"ping", append(AppendPing(nil), make([]byte, 60)...), First{}},
		{"text", bytes.Repeat([]byte("x"), 76), First{}},
		{"C2", append(AppendConnC2(nil), make([]byte, 60)...), First{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= len(tt.p); size++ { // in any splits
				var s Sniffer
				over := false
				for rest := tt.p; len(rest) > 0 && !over; {
					part := rest[:min(size, len(rest))]
					_, over = s.See(part)
					rest = rest[len(part):]
				}
				if !over || s.First() != tt.want {
					t.Fatalf("in parts of %d: over %v, %+v; want %+v", size, over, s.First(), tt.want)
				}
			}
		})
	}
}

func TestSnifferWaitsForAll(t *testing.T) {
	var s Sniffer
	a1 := AppendConnA1(nil, virtual, channel)
	if n, over := s.See(a1[:firstOctets-1]); n != firstOctets-1 || over || s.First() != (First{}) {
		t.Errorf("one octet short: %d, %v, %+v; want it to wait", n, over, s.First())
	}
	if n, over := s.See(a1[firstOctets-1:]); n != 1 || !over || s.First().Virtual != virtual {
		t.Errorf("the last octet: %d, %v, %+v; want the cookie", n, over, s.First())
	}
	if n, over := s.See(a1); n != 0 || !over {
		t.Errorf("behind it: %d, %v; want nothing", n, over)
	}
}

func TestSnifferGivesUpEarly(t *testing.T) {
	var s Sniffer
	if _, over := s.See([]byte("G")); !over {
		t.Error("waits for more of what is no PDU")
	}
}

func TestSnifferDoesNotAllocate(t *testing.T) {
	b1 := AppendConnB1(nil, virtual, channel, group)
	if n := testing.AllocsPerRun(100, func() {
		var s Sniffer
		s.See(b1[:30])
		s.See(b1[30:])
	}); n != 0 {
		t.Errorf("%v allocations; want none", n)
	}
}
