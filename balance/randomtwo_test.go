package balance

import "testing"

// With two candidates both are drawn, so the choice is the lighter one.
func TestRandomTwoPrefersTheLighter(t *testing.T) {
	cs := pool(10, 10)
	cs[0].Service.Active.Store(3)
	cs[1].Service.Active.Store(2)
	if got := share(RandomTwo{}, cs, all(cs), 200); got[1] != 200 {
		t.Errorf("shares = %v; want all for the lighter", got)
	}
	cs = pool(20, 10)
	cs[0].Service.Active.Store(3)
	cs[1].Service.Active.Store(2)
	if got := share(RandomTwo{}, cs, all(cs), 200); got[0] != 200 {
		t.Errorf("shares = %v; want all for the lighter for its weight", got)
	}
}

// The most loaded of many is picked only if it met itself, which it cannot.
func TestRandomTwoNeverPicksTheMostLoaded(t *testing.T) {
	cs := pool(1, 1, 1, 1)
	cs[2].Service.Active.Store(1)
	got := share(RandomTwo{}, cs, all(cs), 4000)
	if got[2] != 0 {
		t.Errorf("the most loaded got %d picks", got[2])
	}
	wantShares(t, []int{got[0], got[1], got[3]}, []int{1, 1, 1}, 0.15)
}
