package balance

// LeastConn picks the service with the fewest open requests and connections for
// its weight. Services with the same load, idle ones above all, take turns by weight.
type LeastConn struct {
	ties turns
}

// Pick returns the least loaded candidate.
func (p *LeastConn) Pick(cs []Candidate, eligible Eligible, _ uint64) int {
	if i, ok := eligible.only(); ok {
		return i
	}
	var k clock
	var low lowest
	for e := eligible; e != 0; e = e.rest() {
		i := e.first()
		low.offer(i, float64(cs[i].Service.Active.Load())/float64(cs[i].weight(&k)))
	}
	return low.pick(cs, &p.ties, &k)
}

// Clone implements Algorithm.
func (p *LeastConn) Clone() Algorithm {
	c := new(LeastConn)
	c.ties.credit = p.ties.held()
	return c
}

// lowest gathers the candidates with the lowest cost. Equal quotients are equal
// as floating point too, since division is exactly rounded: 2/100 ties with 1/50.
type lowest struct {
	set  Eligible
	cost float64
}

func (l *lowest) offer(i int, cost float64) {
	switch {
	case l.set == 0 || cost < l.cost:
		l.set, l.cost = 1<<uint(i), cost
	case cost == l.cost:
		l.set |= 1 << uint(i)
	}
}

// pick returns the candidate of the set, or whose turn it is if there are more.
func (l *lowest) pick(cs []Candidate, ties *turns, k *clock) int {
	if i, ok := l.set.only(); ok {
		return i
	}
	return ties.next(cs, l.set, k)
}
