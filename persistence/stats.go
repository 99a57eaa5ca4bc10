package persistence

import (
	"time"

	"casbah/balance"
)

// Stats are the figures of a table.
type Stats struct {
	Bindings    int                      // alive now
	Unconfirmed int                      // of them
	Capacity    int                      // bindings
	Bytes       int64                    // memory of the slots
	Evictions   uint64                   // live bindings that made room for others, since start
	Refusals    uint64                   // bindings that found no room, since start
	Oldest      time.Duration            // since the binding unused for longest was used
	ByServer    map[balance.ServerID]int // bindings
}

// Stats counts the bindings that are alive at now, in Unix nanoseconds. It reads
// every slot without a lock, about 10 ms for a million bindings: it is
// for a page, not for a request.
func (t *Table) Stats(now int64) Stats {
	st := Stats{
		Capacity:  int(t.capacity),
		Bytes:     t.bytes.Load(),
		Evictions: t.evictions.Load(),
		Refusals:  t.refusals.Load(),
		ByServer:  make(map[balance.ServerID]int),
	}
	sec := seconds(now)
	var oldest uint32
	var byServer []int // index is the ID
	for i := range t.shards {
		slots := t.shards[i].load()
		for j := range slots {
			w := word(slots[j].word.Load())
			if !w.alive(sec) {
				continue
			}
			st.Bindings++
			id := int(w.server())
			if id >= len(byServer) {
				byServer = append(byServer, make([]int, id+1-len(byServer))...)
			}
			byServer[id]++
			oldest = max(oldest, w.age(sec))
			if !w.confirmed() {
				st.Unconfirmed++
			}
		}
	}
	for id, n := range byServer {
		if n > 0 {
			st.ByServer[balance.ServerID(id)] = n
		}
	}
	st.Oldest = time.Duration(oldest) * time.Second
	return st
}

// Binding is one row of a listing.
type Binding struct {
	Key       Key
	Server    balance.ServerID
	Used      time.Time     // last use
	Idle      time.Duration // how long it lives without use
	Confirmed bool
}

// rangeSlots is how many slots Range copies at a time.
const rangeSlots = 256

// Range calls f for each binding that is alive at now, until f returns false. It
// holds no lock meanwhile; a binding that moves between slots at that time may
// be left out or come twice.
func (t *Table) Range(now int64, f func(Binding) bool) {
	sec := seconds(now)
	var page [rangeSlots]Binding
	for i := range t.shards {
		for from := 0; from >= 0; {
			var n int
			n, from = t.shards[i].page(sec, from, &page)
			for j := range n {
				if !f(page[j]) {
					return
				}
			}
		}
	}
}

// page copies the live bindings of rangeSlots slots, and returns where to go on,
// -1 at the end.
func (sh *shard) page(sec uint32, from int, page *[rangeSlots]Binding) (n, next int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := sh.load()
	end := min(from+rangeSlots, len(slots))
	for i := from; i < end; i++ {
		w := word(slots[i].word.Load())
		if !w.alive(sec) {
			continue
		}
		page[n] = Binding{
			Key: slots[i].key(), Server: w.server(), Used: time.Unix(int64(w.used()), 0),
			Idle: time.Duration(w.life()) * time.Second, Confirmed: w.confirmed(),
		}
		n++
	}
	if end >= len(slots) {
		return n, -1
	}
	return n, end
}
