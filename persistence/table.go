package persistence

import (
	"runtime"
	"sync/atomic"

	"casbah/balance"
)

// PerCore is how many bindings a table holds for each core unless set otherwise.
const PerCore = 250_000

// shardBindings is about how many bindings one shard holds when the table is
// full: few enough that growing a shard holds its lock for some 100 us at most.
const shardBindings = 4096

// maxShards bounds the shards of a very large table.
const maxShards = 4096

// TableOptions are the bounds of a table.
type TableOptions struct {
	PerCore int // bindings for each core; 0: PerCore
	Cores   int // 0: as many as the process may use
}

// Table binds keys to servers. It is made of shards; a key belongs to one of
// them. Reading takes no lock. It begins small and grows with its content up to
// its capacity; it does not shrink.
//
// Of the capacity, at most a tenth is for unconfirmed bindings, and these make
// room for each other alone: a client that sends made-up keys pushes out no
// session that a server knows.
type Table struct {
	shards       []shard
	capacity     int64
	weakCapacity int64

	bindings    atomic.Int64 // slots that are taken, those that ran out included
	unconfirmed atomic.Int64 // of them
	bytes       atomic.Int64
	evictions   atomic.Uint64
	refusals    atomic.Uint64
	barren      atomic.Uint32 // second of the last search that found nothing to spare, see makeRoom
	noPlace     atomic.Uint32 // likewise, of those for where a mailbox is, which spare less
}

// NewTable returns an empty table.
func NewTable(o TableOptions) *Table {
	if o.PerCore <= 0 {
		o.PerCore = PerCore
	}
	if o.Cores <= 0 {
		o.Cores = runtime.GOMAXPROCS(0)
	}
	capacity := o.PerCore * o.Cores
	shards := 1
	for shards < maxShards && shards*shardBindings < capacity {
		shards *= 2
	}
	return &Table{
		shards:       make([]shard, shards),
		capacity:     int64(capacity),
		weakCapacity: max(int64(capacity)/10, 1),
	}
}

// Len returns how many slots are taken: the bindings, and those that ran out and
// were not swept yet.
func (t *Table) Len() int { return int(t.bindings.Load()) }

// order asks for a binding.
type order struct {
	key   Key
	word  word
	from  balance.ServerID // also take the key away from this server; 0: from none
	move  bool             // take it away from any server
	quiet bool             // nobody is to be told if there is no room
	full  fullness
}

// takes reports whether the order may replace the live binding w.
func (o *order) takes(w word) bool {
	return o.move || w.server() == o.word.server() || w.server() == o.from
}

// get returns the binding of k, 0 if it has none that is alive at sec.
func (t *Table) get(sec uint32, k Key) word {
	if w := t.shard(k).get(k); w.alive(sec) {
		return w
	}
	return 0
}

// bind carries out o at the time of its word, and returns the binding in force
// afterwards: o's; another one, which o may not replace; or 0, for lack of room.
// A binding to o's server is refreshed and stays confirmed.
func (t *Table) bind(o *order) word {
	sh := t.shard(o.key)
	if w := sh.get(o.key); w&^confirmedBit == o.word&^confirmedBit && (w.confirmed() || !o.word.confirmed()) {
		return w // common case: used in this second already
	}
	if w := sh.update(t, o); w != 0 {
		return w
	}
	if !t.reserve(o) {
		if o.quiet {
			return 0
		}
		t.refusals.Add(1)
		if p := o.full.pressure; p != nil {
			p.Refusals.Add(1)
		}
		return 0
	}
	return sh.insert(t, o)
}

// touch marks the binding of k to the server as used at sec. It finds the
// binding in the grace after its end, too.
func (t *Table) touch(sec uint32, k Key, id balance.ServerID) {
	sh := t.shard(k)
	if w := sh.get(k); w.server() == id && w.used() != sec {
		sh.touch(sec, k, id)
	}
}

// drop ends the binding of k.
func (t *Table) drop(k Key) { t.shard(k).drop(t, k) }

func (t *Table) shard(k Key) *shard { return &t.shards[t.home(k)] }

// home returns the index of the shard that k belongs to.
func (t *Table) home(k Key) int { return int(k.lo & uint64(len(t.shards)-1)) }

// taken counts a slot that is taken with w; freed one that is free again.
func (t *Table) taken(w word) {
	t.bindings.Add(1)
	if !w.confirmed() {
		t.unconfirmed.Add(1)
	}
}

func (t *Table) freed(w word) {
	t.bindings.Add(-1)
	if !w.confirmed() {
		t.unconfirmed.Add(-1)
	}
}

// replaced counts that a slot with w holds n now.
func (t *Table) replaced(w, n word) {
	switch {
	case w.confirmed() && !n.confirmed():
		t.unconfirmed.Add(1)
	case !w.confirmed() && n.confirmed():
		t.unconfirmed.Add(-1)
	}
}
