package balance

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRoundRobinSequence(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		set     Eligible
		want    []int // two rounds
	}{
		{"equal", []int{1, 1, 1}, 0b111, []int{0, 1, 2, 0, 1, 2}},
		{"smooth", []int{5, 1, 1}, 0b111, []int{0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0}},
		{"without-one", []int{2, 9, 1}, 0b101, []int{0, 2, 0, 0, 2, 0}},
		{"one-alone", []int{2, 9, 1}, 0b100, []int{2, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p RoundRobin
			cs := pool(tt.weights...)
			var got []int
			for range tt.want {
				got = append(got, p.Pick(cs, tt.set, 0))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sequence (-want +got):\n%s", diff)
			}
		})
	}
}

// S109: over as many picks as the weights add up to, the shares are exact.
func TestRoundRobinIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 40), 1, 12).Draw(t, "weights")
		var p RoundRobin
		sum := 0
		for _, w := range weights {
			sum += w
		}
		cs := pool(weights...)
		for round := range 3 {
			if got := share(&p, cs, all(cs), sum); !cmp.Equal(got, weights) {
				t.Fatalf("round %d: shares = %v; want %v", round, got, weights)
			}
		}
	})
}

func TestRoundRobinTakesSixtyFour(t *testing.T) {
	weights := make([]int, 64)
	for i := range weights {
		weights[i] = 1
	}
	var p RoundRobin
	if got := share(&p, pool(weights...), ^Eligible(0), 64); !cmp.Equal(got, weights) {
		t.Errorf("shares = %v; want one each", got)
	}
}
