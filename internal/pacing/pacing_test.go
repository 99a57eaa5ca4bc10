package pacing

import (
	"testing"
	"time"
)

// Only what paces is replaced, and only towards peers that are known to be near.
func TestPaced(t *testing.T) {
	for _, tt := range []struct {
		control string
		trip    time.Duration
		want    bool
	}{
		{"bbr", 40 * time.Microsecond, true},
		{"bbr2", 999 * time.Microsecond, true},
		{"bbr", time.Millisecond, false},
		{"bbr", 30 * time.Millisecond, false},
		{"bbr", 0, false},
		{"cubic", 40 * time.Microsecond, false},
		{"reno", 40 * time.Microsecond, false},
		{"", 40 * time.Microsecond, false},
	} {
		if got := paced(tt.control, tt.trip); got != tt.want {
			t.Errorf("paced(%q, %v) = %v; want %v", tt.control, tt.trip, got, tt.want)
		}
	}
}
