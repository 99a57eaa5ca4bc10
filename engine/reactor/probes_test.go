//go:build linux

package reactor

import "testing"

// Legs of connections that came together are not probed together, and meet
// different ones each time that they are probed again.
func TestProbesAreSpread(t *testing.T) {
	const legs = 10000
	at := make(map[int]int) // legs, by the second in which they are probed first
	again := make(map[[2]int]int)
	for fd := 10; fd < 10+legs; fd++ {
		silence, interval := probes(fd)
		if silence < 30 || silence > 60 || interval < 10 || interval > 20 {
			t.Fatalf("probes(%d) = %d, %d", fd, silence, interval)
		}
		at[silence]++
		again[[2]int{silence, interval}]++
	}
	for second, n := range at {
		if n > legs/30 {
			t.Errorf("%d of %d legs are probed after %ds", n, legs, second)
		}
	}
	for when, n := range again {
		if n > legs/300 {
			t.Errorf("%d of %d legs are probed after %v seconds, time and again", n, legs, when)
		}
	}
}
