package persistence

import "math/rand/v2"

// sample is among how many bindings the one unused for longest is sought when
// room is needed. On average it is in the oldest sixteenth of the table.
const sample = 16

// searchSlots bounds the slots that one search for room looks at, so that no
// request pays for a walk through the table.
const searchSlots = 4096

// victim says which bindings may go to make room.
type victim uint8

const (
	anyBinding      victim = iota
	unconfirmedOnly        // unconfirmed ones, and those that ran out
	spentOnly              // only those that ran out
)

// reserve takes room for one binding, counted as taken. If it reports false,
// there is none.
func (t *Table) reserve(sec uint32, confirmed bool, full Full) bool {
	w := word(0)
	if confirmed {
		w = confirmedBit
	}
	t.taken(w)
	who := unconfirmedOnly
	switch {
	case !confirmed && t.unconfirmed.Load() > t.weakCapacity:
	case t.bindings.Load() <= t.capacity:
		return true
	case full == Refuse:
		who = spentOnly
	case confirmed:
		who = anyBinding
	}
	if t.makeRoom(sec, who) {
		return true
	}
	t.freed(w)
	return false
}

// makeRoom removes one binding of the kind who.
func (t *Table) makeRoom(sec uint32, who victim) bool {
	switch {
	case who == unconfirmedOnly && t.unconfirmed.Load() <= 1:
		return false // the one that is counted is the one to be made room for
	case who == spentOnly && t.barren.Load() == sec:
		return false // a full table is not searched again and again within a second
	}
	start := rand.IntN(len(t.shards)) //nolint:gosec // which shard gives room is no secret
	budget := searchSlots
	for i := 0; i < len(t.shards) && budget > 0; i++ {
		sh := &t.shards[(start+i)%len(t.shards)]
		evicted, ok := sh.evict(t, sec, who, &budget)
		if evicted {
			t.evictions.Add(1)
		}
		if ok {
			return true
		}
	}
	if who == spentOnly {
		t.barren.Store(sec)
	}
	return false
}

// evict removes a binding that ran out, else the oldest of a sample of the kind
// who. It reports whether it removed one, and whether that was alive.
func (sh *shard) evict(t *Table, sec uint32, who victim, budget *int) (evicted, ok bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := sh.load()
	n := len(slots)
	if sh.used == 0 {
		return false, false
	}
	best, seen := -1, 0
	var oldest uint32
	i := rand.IntN(n) //nolint:gosec // a sample, not a secret
	for look := min(n, *budget); look > 0 && seen < sample; look-- {
		*budget--
		if i++; i >= n {
			i = 0
		}
		w := word(slots[i].word.Load())
		switch {
		case w == 0:
			continue
		case !w.alive(sec):
			sh.remove(t, i)
			return false, true
		case who == spentOnly || who == unconfirmedOnly && w.confirmed():
			continue
		}
		seen++
		if age := w.age(sec); best < 0 || age > oldest {
			best, oldest = i, age
		}
	}
	if best < 0 {
		return false, false
	}
	sh.remove(t, best)
	return true, true
}
