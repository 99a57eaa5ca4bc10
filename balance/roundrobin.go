package balance

import "sync"

// RoundRobin gives each candidate its turn, in proportion to the weights and
// spread evenly: weights 5, 1, 1 come as a a b a c a a, never five in a row.
// Over as many picks as the weights add up to, the shares are exact.
type RoundRobin struct {
	turns turns
}

// Pick returns the candidate whose turn it is.
func (p *RoundRobin) Pick(cs []Candidate, eligible Eligible, _ uint64) int {
	if i, ok := eligible.only(); ok {
		return i
	}
	var k clock
	return p.turns.next(cs, eligible, &k)
}

// Clone implements Algorithm.
func (p *RoundRobin) Clone() Algorithm {
	c := new(RoundRobin)
	c.turns.credit = p.turns.held()
	return c
}

// turns is the smooth weighted rotation. Each candidate has credit: a turn gives
// every one in the set its weight, and takes from the richest, whose turn it is,
// what all got together.
type turns struct {
	mu     sync.Mutex // guards the field below; held for one pass over it, by picks and by the copy for an explanation
	credit [64]int64
}

// next returns whose turn it is among the candidates in a set that is not empty.
func (t *turns) next(cs []Candidate, set Eligible, k *clock) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	best, total := -1, int64(0)
	for ; set != 0; set = set.rest() {
		i := set.first()
		w := cs[i].weight(k)
		total += w
		t.credit[i] += w
		if best < 0 || t.credit[i] > t.credit[best] {
			best = i
		}
	}
	t.credit[best] -= total
	return best
}

// held returns the credits as they are. It holds the lock for that one copy.
func (t *turns) held() [64]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.credit
}
