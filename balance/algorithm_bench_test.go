package balance

import (
	"fmt"
	"testing"
)

func BenchmarkPick(b *testing.B) {
	for _, name := range Algorithms() {
		for _, servers := range []int{2, 16} {
			b.Run(fmt.Sprintf("algorithm=%s/servers=%d", name, servers), func(b *testing.B) {
				a, err := New(name)
				if err != nil {
					b.Fatal(err)
				}
				weights := make([]int, servers)
				for i := range weights {
					weights[i] = 1 + i%3
				}
				cs := pool(weights...)
				set := all(cs)
				b.ReportAllocs()
				var client uint64
				for b.Loop() {
					client++
					a.Pick(cs, set, client)
				}
			})
		}
	}
}
