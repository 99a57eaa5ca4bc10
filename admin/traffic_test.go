package admin

import (
	"testing"
	"time"

	"casbah/node"
)

func TestQuantile(t *testing.T) {
	const ms = time.Millisecond
	n := len(node.WaitBounds()) // buckets: to 0.5, 1, 2.5, 5, 10 ms and on, to 30s and longer
	waits := func(by map[int]uint64) []uint64 {
		w := make([]uint64, n+1)
		for i, of := range by {
			w[i] = of
		}
		return w
	}
	for _, tt := range []struct {
		name  string
		waits []uint64
		q     float64
		want  time.Duration
	}{
		{"nothing", waits(nil), 0.5, 0},
		{"none-at-all", nil, 0.99, 0},
		{"first", waits(map[int]uint64{0: 10}), 0.5, ms / 4},
		{"middle-of-a-bucket", waits(map[int]uint64{3: 10}), 0.5, 2500*time.Microsecond + 1250*time.Microsecond},
		{"end-of-a-bucket", waits(map[int]uint64{0: 1, 1: 1}), 0.5, ms / 2},
		{"next-bucket", waits(map[int]uint64{0: 1, 1: 3}), 0.5, ms/2 + ms/6},
		{"all", waits(map[int]uint64{0: 98, 4: 2}), 1, 10 * ms},
		{"longer", waits(map[int]uint64{0: 1, n: 99}), 0.99, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := quantile(tt.waits, tt.q); got.Round(time.Microsecond) != tt.want.Round(time.Microsecond) {
				t.Errorf("quantile(%v, %v) = %v; want %v", tt.waits, tt.q, got, tt.want)
			}
		})
	}
}
