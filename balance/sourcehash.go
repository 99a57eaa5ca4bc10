package balance

import "math"

// SourceHash picks by the client's address alone, without any memory: weighted
// rendezvous hashing. Each server draws a lot for the client, and the highest
// wins; so a server that leaves moves its own clients and no others, one that
// comes back gets the same ones again, and every node of a cluster agrees.
type SourceHash struct{}

// Pick returns the candidate that wins the client with that hash.
func (SourceHash) Pick(cs []Candidate, eligible Eligible, hash uint64) int {
	if i, ok := eligible.only(); ok {
		return i
	}
	var k clock
	best, low := -1, math.Inf(1)
	client := mix(hash)
	for e := eligible; e != 0; e = e.rest() {
		i := e.first()
		// -log(u)/w is exponentially distributed with rate w: the least of
		// several is that of i with probability w(i) / sum of all w.
		u := unit(mix(client ^ nameHash(cs[i].Service.Server.Name)))
		if lot := -math.Log(u) / float64(cs[i].weight(&k)); best < 0 || lot < low {
			best, low = i, lot
		}
	}
	return best
}

// Clone implements Algorithm.
func (s SourceHash) Clone() Algorithm { return s }

// unit maps h to a number above 0 and below 1.
func unit(h uint64) float64 { return (float64(h>>11) + 0.5) / (1 << 53) }

// mix spreads every bit of h over all of them: the finalizer of SplitMix64.
func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// nameHash is FNV-1a. A server is known by its name, which all nodes share, not
// by its ID, which they need not.
func nameHash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}
