package engine

import (
	"net/netip"
	"testing"
)

// TestSources counts by address up to the limit, and leaves nothing behind of an
// address without connections.
func TestSources(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	s := Sources{Limit: 2}
	for i, want := range []bool{true, true, false} {
		if got := s.Admit(a); got != want {
			t.Errorf("Admit(%v) = %v at connection %d; want %v", a, got, i+1, want)
		}
	}
	if !s.Admit(b) {
		t.Errorf("Admit(%v) = false; want true: it has none", b)
	}
	s.Leave(a)
	if !s.Admit(a) {
		t.Errorf("Admit(%v) = false after Leave; want true", a)
	}
	for range 2 {
		s.Leave(a)
	}
	s.Leave(b)
	if len(s.open) != 0 {
		t.Errorf("%d addresses are known without a connection; want none", len(s.open))
	}
}

// TestSourcesUnlimited counts nothing without a limit.
func TestSourcesUnlimited(t *testing.T) {
	var s Sources
	a := netip.MustParseAddr("192.0.2.1")
	for range 3 {
		if !s.Admit(a) {
			t.Fatal("Admit() = false without a limit; want true")
		}
	}
	if len(s.open) != 0 {
		t.Errorf("%d addresses are known; want none", len(s.open))
	}
	s.Leave(a)
}
