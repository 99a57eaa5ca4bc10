package balance

import "math/rand/v2"

// RandomTwo draws two candidates at random, by weight, and picks the one with
// fewer open requests for its weight. It comes close to LeastConn without every
// balancer of a cluster running to the same idle server at once.
type RandomTwo struct{}

// Pick returns the less loaded of two candidates.
func (RandomTwo) Pick(cs []Candidate, eligible Eligible, _ uint64) int {
	if i, ok := eligible.only(); ok {
		return i
	}
	var k clock
	a, wa := draw(cs, eligible, &k)
	b, wb := draw(cs, eligible&^(1<<uint(a)), &k)
	loadA := float64(cs[a].Service.Active.Load()) / float64(wa)
	loadB := float64(cs[b].Service.Active.Load()) / float64(wb)
	if loadB < loadA {
		return b
	}
	return a // also of two equals: the first draw is by weight, the second favours the light
}

// Clone implements Algorithm. What it draws is another matter.
func (r RandomTwo) Clone() Algorithm { return r }

// draw returns a random candidate of a set that is not empty, and its weight.
func draw(cs []Candidate, set Eligible, k *clock) (i int, weight int64) {
	var total int64
	for e := set; e != 0; e = e.rest() {
		total += cs[e.first()].weight(k)
	}
	at := rand.Int64N(total) //nolint:gosec // G404: it spreads load and guards nothing
	for {
		i = set.first()
		weight = cs[i].weight(k)
		set = set.rest()
		if at -= weight; at < 0 || set == 0 { // set == 0: a ramp ended in between
			return i, weight
		}
	}
}
