package persistence

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"casbah/balance"
)

// slotBytes is the size of a slot.
const slotBytes = 24

// slot holds one binding. All its fields are atomic because readers take no
// lock; it holds no pointer, so that the garbage collector never looks at a
// table of millions.
type slot struct {
	lo, hi atomic.Uint64 // the key
	word   atomic.Uint64 // the binding; 0: the slot is free
}

// A shard grows before more than 28 of 32 slots are taken, and then has about 23
// of 32 taken, so that a binding takes 28 to 34 octets. Shards are filled evenly
// and grow at about the same time: all bindings take that much or that little.
// Growing by less would copy each binding more often than five times.
const (
	fullShard  = 28
	grownShard = 23
	ofSlots    = 32
)

// shard is a hash table with linear probing, whose bindings stand in the order of
// their keys: each in the slot where its key belongs, see home, or as few behind
// as those before it need. So a search for what is not there ends as soon as one
// for what is, also when the shard is nearly full; BenchmarkTableGet/miss of ten
// million bindings takes half of what it took in any order. A new binding moves
// what stands behind it by one; what stands behind a removed one moves back, and
// no slot is ever marked as deleted.
type shard struct {
	seq   atomic.Uint32 // odd while keys move; a reader that saw it change reads again
	slots atomic.Pointer[[]slot]

	mu   sync.Mutex // serializes writers; guards the fields below
	used int        // slots that are taken
	hand int        // the slot that is swept next
}

// spins is how often a reader tries without the lock.
const spins = 16

// get returns what is bound to k, alive or not; 0 if nothing.
func (sh *shard) get(k Key) word {
	for range spins {
		seq := sh.seq.Load()
		if seq&1 != 0 {
			continue
		}
		slots := sh.load()
		var w word
		if i, ok := find(slots, k); ok {
			w = word(slots[i].word.Load())
		}
		if sh.seq.Load() == seq {
			return w
		}
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := sh.load()
	if i, ok := find(slots, k); ok {
		return word(slots[i].word.Load())
	}
	return 0
}

// update carries out o if its key has a slot, and returns the binding in force.
func (sh *shard) update(t *Table, o *order) word {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := sh.load()
	i, ok := find(slots, o.key)
	if !ok {
		return 0
	}
	return sh.rebind(t, &slots[i], o)
}

// rebind carries out o on the slot of its key.
func (sh *shard) rebind(t *Table, s *slot, o *order) word {
	w, n := word(s.word.Load()), o.word
	if w.alive(n.used()) {
		if !o.takes(w) {
			return w
		}
		if w.server() == n.server() {
			n |= w & confirmedBit
		}
	}
	t.replaced(w, n)
	s.word.Store(uint64(n))
	return n
}

// insert carries out o, for which room is reserved.
func (sh *shard) insert(t *Table, o *order) word {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sec := o.word.used()
	if slots := sh.load(); len(slots) > 0 {
		if i, ok := find(slots, o.key); ok {
			t.freed(o.word) // another request was first
			return sh.rebind(t, &slots[i], o)
		}
	}
	sh.sweep(t, sec)
	if (sh.used+1)*ofSlots > len(sh.load())*fullShard {
		sh.grow(t, sec, 0)
	}
	for !sh.place(o.key, o.word) {
		sh.grow(t, sec, len(sh.load())*5/4) // the last slots are taken
	}
	sh.used++
	return o.word
}

// place puts a binding where it belongs, and moves what stands behind it up to
// the next free slot. It reports false if there is none to the end of the shard.
func (sh *shard) place(k Key, w word) bool {
	slots := sh.load()
	i, _ := find(slots, k)
	end := i
	for end < len(slots) && slots[end].word.Load() != 0 {
		end++
	}
	if end == len(slots) {
		return false
	}
	if end > i {
		sh.seq.Add(1)
		defer sh.seq.Add(1)
	}
	for ; end > i; end-- {
		slots[end].move(&slots[end-1])
	}
	slots[i].set(k, w)
	return true
}

func (sh *shard) touch(sec uint32, k Key, id balance.ServerID) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := sh.load()
	i, ok := find(slots, k)
	if !ok {
		return
	}
	if w := word(slots[i].word.Load()); w.server() == id && !w.spent(sec) {
		slots[i].word.Store(uint64(w.at(sec)))
	}
}

func (sh *shard) drop(t *Table, k Key) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if i, ok := find(sh.load(), k); ok {
		sh.remove(t, i)
	}
}

// sweepSlots is how many slots each insertion looks at to free them: enough to
// be round the shard before half as many bindings as it has slots were added.
const sweepSlots = 4

// sweep frees what has run out among the next few slots.
func (sh *shard) sweep(t *Table, sec uint32) {
	slots := sh.load()
	for range min(sweepSlots, len(slots)) {
		if sh.hand >= len(slots) {
			sh.hand = 0
		}
		if w := word(slots[sh.hand].word.Load()); w != 0 && w.spent(sec) {
			sh.remove(t, sh.hand) // another binding may have moved up: look again
			continue
		}
		sh.hand++
	}
}

// remove frees slot i and moves back by one what stands behind it, up to what is
// where it belongs.
func (sh *shard) remove(t *Table, i int) {
	slots := sh.load()
	t.freed(word(slots[i].word.Load()))
	sh.used--
	sh.seq.Add(1)
	defer sh.seq.Add(1)
	for i++; i < len(slots); i++ {
		if slots[i].word.Load() == 0 || home(slots[i].key(), len(slots)) == i {
			break
		}
		slots[i-1].move(&slots[i])
	}
	slots[i-1].word.Store(0)
}

// grow gives the shard as many slots as suit its live bindings, and at least so
// many, and leaves behind what has run out.
func (sh *shard) grow(t *Table, sec uint32, least int) {
	old := sh.load()
	live := 0
	for i := range old {
		if w := word(old[i].word.Load()); w != 0 && !w.spent(sec) {
			live++
		}
	}
	least = max(least, live*ofSlots/grownShard)
	next := make([]slot, slotsFor(least))
	for !refill(next, old, sec) {
		least = len(next) * 5 / 4
		next = make([]slot, slotsFor(least))
	}
	for i := range old {
		if w := word(old[i].word.Load()); w != 0 && w.spent(sec) {
			t.freed(w)
			sh.used--
		}
	}
	sh.hand = 0
	sh.seq.Add(1)
	sh.slots.Store(&next)
	sh.seq.Add(1)
	t.bytes.Add(int64(len(next)-len(old)) * slotBytes)
}

// refill puts what is not spent at sec from one list of slots into another one
// that is empty. It reports false if the last slots do not suffice.
func refill(next, old []slot, sec uint32) bool {
	free := 0 // the first slot behind all that are taken
	for i := range old {
		w := word(old[i].word.Load())
		if w == 0 || w.spent(sec) {
			continue
		}
		free = max(free, home(old[i].key(), len(next)))
		if free == len(next) {
			return false
		}
		next[free].move(&old[i])
		free++
	}
	return true
}

// slotsFor returns how many slots there are to be if n are needed: the heap gives
// out large memory in pages, so all that fit in.
func slotsFor(n int) int {
	const large, page = 32 << 10, 8 << 10 // octets
	n = max(n, 16)
	if octets := n * slotBytes; octets > large {
		return (octets + page - 1) / page * page / slotBytes
	}
	return n
}

// load returns the slots.
func (sh *shard) load() []slot {
	if p := sh.slots.Load(); p != nil {
		return *p
	}
	return nil
}

// find returns the slot of k, else that where k belongs, which is free or taken
// by a greater key, or behind the last one.
func find(slots []slot, k Key) (i int, ok bool) {
	if len(slots) == 0 {
		return 0, false
	}
	for i = home(k, len(slots)); i < len(slots); i++ {
		s := &slots[i]
		if s.word.Load() == 0 {
			return i, false
		}
		switch hi := s.hi.Load(); {
		case hi < k.hi:
		case hi > k.hi:
			return i, false
		default:
			if lo := s.lo.Load(); lo >= k.lo {
				return i, lo == k.lo
			}
		}
	}
	return i, false
}

// home returns where k stands among n slots unless others came before it. It is
// none of the last few: those are for the others.
func home(k Key, n int) int {
	hi, _ := bits.Mul64(k.hi, uint64(n-n/128-8))
	return int(hi)
}

func (s *slot) key() Key { return Key{lo: s.lo.Load(), hi: s.hi.Load()} }

// move fills the slot with what another one holds.
func (s *slot) move(from *slot) { s.set(from.key(), word(from.word.Load())) }

// set fills the slot, the word last: a reader that sees it sees the key.
func (s *slot) set(k Key, w word) {
	s.lo.Store(k.lo)
	s.hi.Store(k.hi)
	s.word.Store(uint64(w))
}
