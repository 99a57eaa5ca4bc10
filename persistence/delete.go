package persistence

// purgeWalks is how often a deletion walks through a shard whose bindings move
// meanwhile. The last walk holds the lock to its end, so that none is passed by.
const purgeWalks = 4

// Delete ends the bindings that sel selects, and returns how many of them were
// alive at now. None that was there when it began is left behind. Requests that
// are open go on; to touch a deleted binding does not bring it back to life.
func (t *Table) Delete(now int64, sel *Selection) int {
	n := 0
	for i := range t.shards {
		n += t.shards[i].purge(t, seconds(now), sel)
	}
	return n
}

// DeleteKey ends the binding of k, and reports whether there was one at now.
func (t *Table) DeleteKey(now int64, k Key) bool {
	w := t.get(seconds(now), k)
	t.drop(k)
	return w != 0
}

// purge ends the selected bindings of the shard, part by part.
func (sh *shard) purge(t *Table, sec uint32, sel *Selection) (alive int) {
	for walk := range purgeWalks {
		p := purge{sec: sec, sel: sel, part: partSlots}
		if walk == purgeWalks-1 {
			p.part = int(^uint(0) >> 1)
		}
		for !p.done {
			p.step(t, sh)
		}
		alive += p.alive
		if !p.moved {
			break
		}
	}
	return alive
}

// purge is one walk through a shard that ends bindings.
type purge struct {
	sec  uint32
	sel  *Selection
	part int // looks at a slot for which it holds the lock

	next  int    // the slot to go on with
	seq   uint32 // of the shard, when the walk let go of its lock
	moved bool   // keys have moved since then: the walk may have passed some by
	done  bool
	alive int // of the bindings that were ended
}

// step goes through the next part of sh.
func (p *purge) step(t *Table, sh *shard) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	p.moved = p.moved || p.next > 0 && sh.seq.Load() != p.seq
	slots := sh.load()
	for looks := 0; looks < p.part && p.next < len(slots); looks++ {
		w := word(slots[p.next].word.Load())
		if w == 0 || !p.sel.has(p.sec, slots[p.next].key(), w) {
			p.next++
			continue
		}
		if w.alive(p.sec) {
			p.alive++
		}
		sh.remove(t, p.next) // another binding may have moved up: look again
	}
	p.seq, p.done = sh.seq.Load(), p.next >= len(slots)
}
