package persistence

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

const (
	crowdSets = 512
	crowdWays = 8 // crowds of a set

	// MostCrowds is how many addresses that are shared, or near to it, are counted
	// at a time, in some 600 octets each. One more takes the place of one that
	// carries fewer.
	MostCrowds = crowdSets * crowdWays
)

// Crowds counts how many clients there are behind each address. Like a Table it
// is shared by all chains and outlives them. Safe for concurrent use; the zero
// value is ready.
type Crowds struct {
	few   [tallyShards]tallies
	sets  [crowdSets]atomic.Pointer[crowdSet] // nil until the first crowd comes there
	moved atomic.Uint64                       // crowds that made room for others
}

// crowdSet holds the crowds of all addresses whose keys have the same part.
type crowdSet struct {
	mu     sync.Mutex               // serializes writers
	keys   [crowdWays]atomic.Uint64 // of the addresses; 0: the place is free
	crowds [crowdWays]crowd
}

// crowdAddr is an address of which clients are counted.
type crowdAddr struct {
	key    uint64 // hash of scope and address
	scope  uint64 // hash of the scope
	prefix netip.Prefix
}

// crowdKey returns what the address of k is known by.
func crowdKey(k Key) uint64 { return max(k.lo, 1) }

func (s *Crowds) set(key uint64) *atomic.Pointer[crowdSet] { return &s.sets[(key>>8)%crowdSets] }

func (s *Crowds) shard(key uint64) (shard *tallies, tag uint32) {
	return &s.few[key%tallyShards], uint32(key >> 32)
}

// find returns the crowd of the address, or nil. It takes no lock. The crowd may
// become another address's at any time; then a request is judged by the wrong
// figure, once.
func (s *Crowds) find(key uint64) *crowd {
	if set := s.set(key).Load(); set != nil {
		if i := set.find(key); i >= 0 {
			return &set.crowds[i]
		}
	}
	return nil
}

func (t *crowdSet) find(key uint64) int {
	for i := range t.keys {
		if t.keys[i].Load() == key {
			return i
		}
	}
	return -1
}

// carries returns how many clients the address is known to carry; id, unless it
// is 0, is one of them, be it known already or not.
func (s *Crowds) carries(sec, span uint32, key, id uint64) int {
	if c := s.find(key); c != nil {
		n := c.at(sec)
		if id != 0 && (n == 0 || !c.has(id)) {
			n++
		}
		return n
	}
	shard, tag := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	var set uint32
	if t := shard.find(tag); t != nil {
		set = t.set(sec, span)
	}
	if id != 0 {
		set |= tallyBit(id)
	}
	return estimate(onesOf(set), tallyBits)
}

// see takes in that the client id was seen behind the address. The address gets a
// crowd once rule.near clients are counted.
func (s *Crowds) see(sec uint32, a *crowdAddr, id uint64, rule *sharing) {
	if c := s.find(a.key); c != nil && c.knows(sec, rule.span, id) {
		return // common case of a shared address
	}
	if s.seeCrowd(sec, a, id, rule) {
		return
	}
	shard, tag := s.shard(a.key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t := shard.find(tag)
	if t == nil {
		t = shard.add(sec, tag)
	}
	if t.see(sec, rule.span, id) >= rule.near && s.gather(sec, a, rule, *t) {
		shard.free(t)
	}
}

// seeCrowd is see for an address that has a crowd; false: it has none.
func (s *Crowds) seeCrowd(sec uint32, a *crowdAddr, id uint64, rule *sharing) bool {
	set := s.set(a.key).Load()
	if set == nil || set.find(a.key) < 0 {
		return false
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	i := set.find(a.key)
	if i < 0 {
		return false
	}
	set.crowds[i].see(sec, rule.span, id)
	set.crowds[i].judge(sec, rule.after)
	return true
}

// gather makes a crowd of what t has counted, unless there is no room for it. A
// set is allocated with its first crowd, which few requests ever meet.
func (s *Crowds) gather(sec uint32, a *crowdAddr, rule *sharing, t tally) bool {
	p := s.set(a.key)
	if p.Load() == nil {
		p.CompareAndSwap(nil, new(crowdSet))
	}
	set := p.Load()
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.find(a.key) >= 0 {
		return true // another request was first
	}
	i, n := set.least(sec)
	if set.keys[i].Load() != 0 {
		if n > estimate(onesOf(t.now|t.last), tallyBits) {
			return false
		}
		s.moved.Add(1)
	}
	set.keys[i].Store(0)
	set.crowds[i].begin(sec, rule.span, a, t)
	set.crowds[i].judge(sec, rule.after)
	set.keys[i].Store(a.key)
	return true
}

// least returns the place of the crowd that counts the fewest, and how many.
func (t *crowdSet) least(sec uint32) (i, n int) {
	i = -1
	for j := range t.keys {
		if t.keys[j].Load() == 0 {
			return j, 0
		}
		if m := t.crowds[j].at(sec); i < 0 || m < n {
			i, n = j, m
		}
	}
	return i, n
}

// each calls f for each crowd.
func (s *Crowds) each(f func(*crowd)) {
	for i := range s.sets {
		set := s.sets[i].Load()
		if set == nil {
			continue
		}
		for j := range set.keys {
			if set.keys[j].Load() != 0 {
				f(&set.crowds[j])
			}
		}
	}
}

// Displaced returns how many addresses, since start, were no longer counted as
// shared or nearly so because too many others carry more clients.
func (s *Crowds) Displaced() uint64 { return s.moved.Load() }
