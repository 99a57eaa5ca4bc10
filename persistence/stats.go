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
	Placements  int                      // beside the bindings, what is known of where mailboxes are; they make room for bindings
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
			if slots[j].key().Mark() == PlacementMark {
				st.Placements++
				continue
			}
			st.Bindings++
			oldest = max(oldest, w.age(sec))
			id := int(w.server())
			if id >= len(byServer) {
				byServer = append(byServer, make([]int, id+1-len(byServer))...)
			}
			byServer[id]++
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
