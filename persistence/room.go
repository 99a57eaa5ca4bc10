package persistence

import "sync/atomic"

// Pressure counts what the lack of room did for the new bindings of some chains.
type Pressure struct {
	Evictions atomic.Uint64 // live bindings that made room for theirs
	Refusals  atomic.Uint64 // bindings of theirs that found no room
}

// fullness is what to do when the table is full, and where that is counted
// besides the table; nil: nowhere.
type fullness struct {
	policy   Full
	pressure *Pressure
}

// sample is among how many bindings the one unused for longest is sought when
// room is needed. On average it is in the oldest sixteenth of the table.
const sample = 16

// While all of the sample were used within the last inUse seconds, and so may be
// in use by open requests, which touch their bindings once a minute, up to
// wideSample are looked at.
const (
	inUse      = 65
	wideSample = 4 * sample
)

// searchSlots bounds the slots that one search for room looks at, so that no
// request pays for a walk through the table.
const searchSlots = 4096

// victim says which bindings may go to make room.
type victim uint8

const (
	anyBinding      victim = iota
	unconfirmedOnly        // unconfirmed ones, those that ran out, and places
	shareOnly              // unconfirmed ones alone, alive or not: no other makes room in their share
	spentOnly              // those that ran out, and places
)

// reserve takes room for o's binding, counted as taken. If it reports false,
// there is none.
func (t *Table) reserve(o *order) bool {
	confirmed := o.word.confirmed()
	t.taken(o.word)
	who := unconfirmedOnly
	switch {
	case !confirmed && t.unconfirmed.Load() > t.weakCapacity:
		who = shareOnly
	case t.bindings.Load() <= t.capacity:
		return true
	case o.full.policy == Refuse:
		who = spentOnly
	case confirmed:
		who = anyBinding
	}
	if t.makeRoom(o, who) {
		return true
	}
	t.freed(o.word)
	return false
}

// makeRoom removes one binding of the kind who, as near to where o's will stand as
// it can: so all parts of all shards stay filled alike, however long the table is
// full. Keys are hashed with a secret, so which ones are near is chance.
func (t *Table) makeRoom(o *order, who victim) bool {
	sec := o.word.used()
	if who == unconfirmedOnly && t.unconfirmed.Load() <= 1 {
		who = spentOnly // the one that is counted is the one to be made room for
	}
	barren := &t.barren
	if o.quiet {
		barren = &t.noPlace
	}
	if who == spentOnly && barren.Load() == sec {
		return false // a full table is not searched again and again within a second
	}
	budget := searchSlots
	for i := 0; i < len(t.shards) && budget > 0; i++ {
		sh := &t.shards[(t.home(o.key)+i)%len(t.shards)]
		evicted, ok := sh.evict(t, o, who, &budget)
		if evicted {
			t.evictions.Add(1)
			if p := o.full.pressure; p != nil {
				p.Evictions.Add(1)
			}
		}
		if ok {
			return true
		}
	}
	if who == spentOnly {
		barren.Store(sec)
	}
	return false
}

// evict removes a binding that ran out, else the oldest of a sample of the kind
// who, taken from where o's key stands. It reports whether it removed one, and whether that was alive.
func (sh *shard) evict(t *Table, o *order, who victim, budget *int) (evicted, ok bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := sh.load()
	n := len(slots)
	if sh.used == 0 {
		return false, false
	}
	best, seen := -1, 0
	var oldest uint32
	sec, i := o.word.used(), home(o.key, n)
	for look := min(n, *budget); look > 0 && (seen < sample || who == anyBinding && oldest <= inUse && seen < wideSample); look-- {
		*budget--
		if i++; i == n {
			i = 0
		}
		w := word(slots[i].word.Load())
		switch {
		case w == 0, who == shareOnly && w.confirmed():
			continue
		case !w.alive(sec), !o.quiet && slots[i].key().Mark() == PlacementMark:
			sh.remove(t, i) // where a mailbox is gives way to whatever binds a client
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
