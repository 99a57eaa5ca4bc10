package bounds

import (
	"testing"
	"time"
)

// Legs of connections that came together are not probed together, and meet
// different ones each time that they are probed again.
func TestProbesAreSpread(t *testing.T) {
	const legs = 10000
	at := make(map[time.Duration]int) // legs, by the second in which they are probed first
	again := make(map[[2]time.Duration]int)
	for n := range legs {
		silence, interval := Probes(n)
		if silence < 30*time.Second || silence > time.Minute || interval < 10*time.Second || interval > 20*time.Second {
			t.Fatalf("Probes(%d) = %v, %v", n, silence, interval)
		}
		at[silence]++
		again[[2]time.Duration{silence, interval}]++
	}
	for second, n := range at {
		if n > legs/30 {
			t.Errorf("%d of %d legs are probed after %v", n, legs, second)
		}
	}
	for when, n := range again {
		if n > legs/300 {
			t.Errorf("%d of %d legs are probed after %v, time and again", n, legs, when)
		}
	}
}
