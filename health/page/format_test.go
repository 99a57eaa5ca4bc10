package page

import (
	"strings"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	tests := map[int]string{
		0: "0", 999: "999", 1000: "1,000", 999_999: "999,999", 1_000_000: "1.00 M",
		38_123_456: "38.1 M", 999_400_000: "999 M", 999_500_000: "1.00 G", 1_234_000_000_000: "1234 G",
	}
	for in, want := range tests {
		if got := count(in); got != want {
			t.Errorf("count(%d) = %q; want %q", in, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	tests := map[float64]string{-1: "0", 0: "0", 0.01: "<0.1", 0.1: "0.1", 9.94: "9.9", 10: "10", 412.6: "413", 12_345: "12,345"}
	for in, want := range tests {
		if got := rate(in); got != want {
			t.Errorf("rate(%v) = %q; want %q", in, got, want)
		}
	}
}

func TestOctets(t *testing.T) {
	tests := map[int64]string{0: "0 B", 999: "999 B", 1000: "1.00 kB", 18_700_000: "18.7 MB", 999_600: "1.00 MB", 2e9: "2.00 GB", 3e12: "3.00 TB"}
	for in, want := range tests {
		if got := octets(in); got != want {
			t.Errorf("octets(%d) = %q; want %q", in, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	tests := map[time.Duration]string{
		-time.Second: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 252 * time.Second: "4 min 12 s",
		10*time.Minute + time.Second: "10 min", 59*time.Minute + 59*time.Second: "59 min", 26 * time.Hour: "1 d 2 h",
		7*time.Hour + 12*time.Minute: "7 h 12 min", 300 * time.Hour: "12 d",
	}
	for in, want := range tests {
		if got := span(in); got != want {
			t.Errorf("span(%v) = %q; want %q", in, got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	tests := map[time.Duration]string{
		0: "–", 340 * time.Microsecond: "0.3 ms", 9900 * time.Microsecond: "9.9 ms",
		10 * time.Millisecond: "10 ms", 1999 * time.Millisecond: "2.0 s",
	}
	for in, want := range tests {
		if got := brief(in); got != want {
			t.Errorf("brief(%v) = %q; want %q", in, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 3, 4, 1, 0, 0, 0, time.FixedZone("CET", 3600))
	tests := map[time.Time]string{
		time.Date(2026, 3, 3, 23, 30, 5, 0, time.UTC): "00:30:05", // today, where now is
		time.Date(2026, 3, 3, 22, 30, 5, 0, time.UTC): "3 Mar 23:30",
		time.Date(2025, 3, 4, 0, 30, 0, 0, time.UTC):  "4 Mar 01:30",
	}
	for in, want := range tests {
		if got := clock(now, in); got != want {
			t.Errorf("clock(%v) = %q; want %q", in, got, want)
		}
	}
}

func TestEnumerate(t *testing.T) {
	tests := map[string]string{"": "", "a": "a", "a b": "a and b", "a b c": "a, b and c"}
	for in, want := range tests {
		if got := enumerate(strings.Fields(in)); got != want {
			t.Errorf("enumerate(%s) = %q; want %q", in, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	tests := []struct{ n, whole, want int }{{0, 10, 0}, {1, 1000, 1}, {5, 10, 50}, {10, 10, 100}, {11, 10, 100}, {3, 0, 0}, {-1, 10, 0}}
	for _, tt := range tests {
		if got := percent(tt.n, tt.whole); got != tt.want {
			t.Errorf("percent(%d, %d) = %d; want %d", tt.n, tt.whole, got, tt.want)
		}
	}
}

func TestSparkOf(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   spark
	}{
		{"nothing", nil, spark{}},
		{"one", []float64{1}, spark{}},
		{"idle", []float64{0, 0}, spark{}},
		{"peak", []float64{0, 8, 4}, spark{Line: "0.0,31.0 120.0,1.0 240.0,16.0", Area: "0,32 0.0,31.0 120.0,1.0 240.0,16.0 240,32"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := sparkOf(tt.values); got != tt.want {
				t.Errorf("sparkOf(%v) = %+v; want %+v", tt.values, got, tt.want)
			}
		})
	}
}
