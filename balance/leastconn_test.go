package balance

import "testing"

func TestLeastConnPick(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		active  []int64
		set     Eligible
		want    int
	}{
		{"fewest", []int{1, 1, 1}, []int64{5, 2, 9}, 0b111, 1},
		{"fewest-is-not-eligible", []int{1, 1, 1}, []int64{5, 2, 9}, 0b101, 0},
		{"for-its-weight", []int{100, 10}, []int64{50, 6}, 0b11, 0},
		{"idle-before-heavy", []int{100, 1}, []int64{1, 0}, 0b11, 1},
		{"just-below-a-tie", []int{50, 100}, []int64{1, 1}, 0b11, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p LeastConn
			cs := pool(tt.weights...)
			for i, n := range tt.active {
				cs[i].Service.Active.Store(n)
			}
			for range 3 {
				if got := p.Pick(cs, tt.set, 0); got != tt.want {
					t.Errorf("Pick() = %d; want %d", got, tt.want)
				}
			}
		})
	}
}

// Two of weight 100 and one of 50 are as loaded with 2, 2 and 1 open: a tie,
// which each wins in turn.
func TestLeastConnSharesTies(t *testing.T) {
	var p LeastConn
	cs := pool(100, 100, 50, 100)
	for i, n := range []int64{2, 2, 1, 3} {
		cs[i].Service.Active.Store(n)
	}
	wantShares(t, share(&p, cs, all(cs), 500)[:3], []int{100, 100, 50}, 0)
}
