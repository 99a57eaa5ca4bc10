package balance

import "sync/atomic"

// remeasure is how often, in picks, least_time ignores what it knows and takes
// the candidate whose turn it is. A service that was slow once and gets no
// requests for it would otherwise keep its old figure for ever.
const remeasure = 64

// LeastTime picks the service that promises the earliest answer: the moving
// average of its time to the first octet, times the requests that would then be
// open, for its weight.
type LeastTime struct {
	picks atomic.Uint64
	ties  turns
}

// Pick returns the candidate with the lowest expected time. Idle ones that were
// never measured come first.
func (p *LeastTime) Pick(cs []Candidate, eligible Eligible, _ uint64) int {
	if i, ok := eligible.only(); ok {
		return i
	}
	var k clock
	if p.picks.Add(1)%remeasure == 0 {
		return p.ties.next(cs, eligible, &k)
	}
	fresh, slowest := survey(cs, eligible)
	if fresh != 0 {
		low := lowest{set: fresh}
		return low.pick(cs, &p.ties, &k)
	}
	var low lowest
	for e := eligible; e != 0; e = e.rest() {
		i := e.first()
		s := cs[i].Service
		latency := s.latency.Load()
		if latency == 0 {
			// Its first request is still open. It is taken for the slowest, or a
			// service that never answers would draw every request.
			latency = slowest
		}
		low.offer(i, float64(latency)*float64(s.Active.Load()+1)/float64(cs[i].weight(&k)))
	}
	return low.pick(cs, &p.ties, &k)
}

// Clone implements Algorithm.
func (p *LeastTime) Clone() Algorithm {
	c := new(LeastTime)
	c.picks.Store(p.picks.Load())
	c.ties.credit = p.ties.held()
	return c
}

// survey returns the candidates that are idle and were never measured, and the
// highest latency of the others, at least 1.
func survey(cs []Candidate, eligible Eligible) (fresh Eligible, slowest int64) {
	slowest = 1
	for e := eligible; e != 0; e = e.rest() {
		i := e.first()
		latency := cs[i].Service.latency.Load()
		if latency == 0 && cs[i].Service.Active.Load() == 0 {
			fresh |= 1 << uint(i)
		}
		slowest = max(slowest, latency)
	}
	return fresh, slowest
}
