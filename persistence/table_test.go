package persistence

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casbah/balance"

	"pgregory.net/rapid"
)

// sec0 is the second in which the table tests begin.
var sec0 = seconds(start)

// keyOf returns the key of the i-th client.
func keyOf(i int) Key {
	s := newSip(testSecret)
	s.write(fmt.Appendf(nil, "client %d", i))
	k := s.sum()
	if k.Mark() == PlacementMark { // no step has it
		k.hi++
	}
	return k
}

// bindAt binds key i to the server at sec.
func bindAt(t *Table, sec uint32, i int, id balance.ServerID, confirmed bool) {
	t.bind(&order{key: keyOf(i), word: newWord(id, sec, confirmed, newSpan(time.Hour))})
}

func TestSpan(t *testing.T) {
	for _, s := range []int{0, 1, 59, 60, 900, 2046, 2047, 2048, 2700, 4095, 7200, 28800, 86400, 1 << 20, 30 * 86400} {
		got := int(newSpan(time.Duration(s) * time.Second).seconds())
		if got < s || got > s+s/1000 {
			t.Errorf("span of %d s = %d s", s, got)
		}
	}
	for _, s := range []time.Duration{45 * time.Minute, time.Hour, 2 * time.Hour, 8 * time.Hour} {
		if got := time.Duration(newSpan(s).seconds()) * time.Second; got != s {
			t.Errorf("span of %v = %v; want it exact", s, got)
		}
	}
	if got := newSpan(time.Millisecond).seconds(); got != 1 {
		t.Errorf("span of 1ms = %d s; want 1", got)
	}
	if got := newSpan(1 << 62).seconds(); got != maxSpan {
		t.Errorf("span of a century = %d s; want %d", got, maxSpan)
	}
}

func TestWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := balance.ServerID(rapid.Uint16Min(1).Draw(t, "id"))
		sec, confirmed := rapid.Uint32().Draw(t, "sec"), rapid.Bool().Draw(t, "confirmed")
		idle := newSpan(time.Duration(rapid.IntRange(1, 1<<20).Draw(t, "idle")) * time.Second)
		w := newWord(id, sec, confirmed, idle)
		if w.server() != id || w.used() != sec || w.confirmed() != confirmed || w.idle() != idle {
			t.Fatalf("word of %d, %d, %v, %d = %x", id, sec, confirmed, idle, w)
		}
		later := w.at(sec + 7)
		if later.used() != sec+7 || later.server() != id || later.confirmed() != confirmed || later.idle() != idle {
			t.Fatalf("at changes more than the time: %x, %x", w, later)
		}
		if w.at(sec-7) != w || w.age(sec-7) != 0 {
			t.Fatal("a clock that was set back ages a binding")
		}
	})
}

// modelEntry is what the model of a table holds for a key.
type modelEntry struct {
	server    balance.ServerID
	used      uint32
	confirmed bool
	idle      uint32
}

func (e modelEntry) life() uint32 {
	if !e.confirmed {
		return min(e.idle, unconfirmedLife)
	}
	return e.idle
}

// TestTableAgainstModel compares a table that is never full with a map.
func TestTableAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := NewTable(TableOptions{PerCore: 100_000, Cores: 1})
		model := map[int]modelEntry{}
		sec := sec0
		live := func(i int) (modelEntry, bool) {
			e, ok := model[i]
			return e, ok && sec-e.used <= e.life()
		}
		keys := rapid.IntRange(0, 300)
		servers := rapid.Custom(func(t *rapid.T) balance.ServerID { return balance.ServerID(rapid.IntRange(1, 3).Draw(t, "server")) })
		t.Repeat(map[string]func(*rapid.T){
			"bind": func(t *rapid.T) {
				i, id := keys.Draw(t, "key"), servers.Draw(t, "server")
				o := order{key: keyOf(i), from: balance.ServerID(rapid.IntRange(0, 3).Draw(t, "from")), move: rapid.Bool().Draw(t, "move")}
				idle := rapid.SampledFrom([]uint32{30, 90, 600}).Draw(t, "idle")
				want := modelEntry{id, sec, rapid.Bool().Draw(t, "confirmed"), idle}
				o.word = newWord(id, sec, want.confirmed, newSpan(time.Duration(idle)*time.Second))
				if e, ok := live(i); ok {
					if !o.move && e.server != id && e.server != o.from {
						want = e
					} else if e.server == id {
						want.confirmed = want.confirmed || e.confirmed
					}
				}
				model[i] = want
				if got := table.bind(&o); got.server() != want.server || got.confirmed() != want.confirmed {
					t.Fatalf("bind(%d) = %d, %v; want %d, %v", i, got.server(), got.confirmed(), want.server, want.confirmed)
				}
			},
			"burst": func(t *rapid.T) {
				from, id := rapid.IntRange(0, 200).Draw(t, "from"), servers.Draw(t, "server")
				for i := from; i < from+100; i++ {
					if _, ok := live(i); !ok {
						model[i] = modelEntry{id, sec, true, 3600}
						bindAt(table, sec, i, id, true)
					}
				}
			},
			"touch": func(t *rapid.T) {
				i, id := keys.Draw(t, "key"), servers.Draw(t, "server")
				table.touch(sec, keyOf(i), id)
				if e, ok := model[i]; ok && e.server == id && sec-e.used <= e.life()+grace {
					e.used = sec
					model[i] = e
				}
			},
			"drop": func(t *rapid.T) {
				i := keys.Draw(t, "key")
				table.drop(keyOf(i))
				delete(model, i)
			},
			"wait": func(t *rapid.T) { sec += rapid.SampledFrom([]uint32{1, 20, 45, 100, 700}).Draw(t, "seconds") },
			"": func(t *rapid.T) {
				bindings, unconfirmed := 0, 0
				for i := range 301 {
					e, ok := live(i)
					w := table.get(sec, keyOf(i))
					if (w != 0) != ok || ok && (w.server() != e.server || w.used() != e.used || w.confirmed() != e.confirmed) {
						t.Fatalf("get(%d) = %d, used %d, %v; want %+v, %v", i, w.server(), w.used(), w.confirmed(), e, ok)
					}
					if ok {
						bindings++
						if !e.confirmed {
							unconfirmed++
						}
					}
				}
				st := table.Stats(int64(sec) * 1e9)
				if st.Bindings != bindings || st.Unconfirmed != unconfirmed || table.Len() < bindings {
					t.Fatalf("Stats = %+v, Len = %d; want %d bindings, %d unconfirmed", st, table.Len(), bindings, unconfirmed)
				}
				checkCounts(t, table)
			},
		})
	})
}

// checkCounts compares the counters of a table that rests with its slots, which
// must stand in order and be found.
func checkCounts(t interface{ Fatalf(string, ...any) }, table *Table) {
	taken, unconfirmed := 0, 0
	for i := range table.shards {
		used := 0
		slots := table.shards[i].load()
		for j := range slots {
			if w := word(slots[j].word.Load()); w != 0 {
				if at, ok := find(slots, slots[j].key()); !ok || at != j {
					t.Fatalf("shard %d: the binding in slot %d is looked for in %d", i, j, at)
				}
				used++
				if !w.confirmed() {
					unconfirmed++
				}
			}
		}
		if used != table.shards[i].used {
			t.Fatalf("shard %d counts %d slots; has %d", i, table.shards[i].used, used)
		}
		taken += used
	}
	if taken != table.Len() || int64(unconfirmed) != table.unconfirmed.Load() {
		t.Fatalf("table counts %d slots, %d unconfirmed; has %d, %d", table.Len(), table.unconfirmed.Load(), taken, unconfirmed)
	}
}

// S29 S30 S31: the bound counts for each core.
func TestTableCapacity(t *testing.T) {
	for _, tt := range []struct {
		o    TableOptions
		want int
	}{
		{TableOptions{}, PerCore * runtime.GOMAXPROCS(0)},
		{TableOptions{Cores: 1}, 250_000},
		{TableOptions{Cores: 3}, 750_000},
		{TableOptions{Cores: 3, PerCore: 1_000_000}, 3_000_000},
	} {
		st := NewTable(tt.o).Stats(start)
		if st.Capacity != tt.want || st.Bytes != 0 {
			t.Errorf("table of %+v: capacity %d, %d octets; want %d, 0", tt.o, st.Capacity, st.Bytes, tt.want)
		}
	}
}

// A full table gives up the binding that is unused for longest, about. S29.
func TestFullTableEvictsTheOldest(t *testing.T) {
	const capacity = 10_000
	table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
	for i := range 2 * capacity {
		bindAt(table, sec0+uint32(i/10), i, cas1, true)
	}
	end := sec0 + 2*capacity/10
	st := table.Stats(int64(end) * 1e9)
	if st.Bindings != capacity || st.Evictions != capacity || st.Refusals != 0 {
		t.Errorf("%d bindings, %d evictions, %d refusals; want %d, %d, 0", st.Bindings, st.Evictions, st.Refusals, capacity, capacity)
	}
	kept := 0
	for i := 3 * capacity / 2; i < 2*capacity; i++ {
		if table.get(end, keyOf(i)) != 0 {
			kept++
		}
	}
	if kept < capacity/2*95/100 {
		t.Errorf("%d of the newest %d bindings are left; want 95 %% at least", kept, capacity/2)
	}
	checkCounts(t, table)
}

// S34: a client that is refused is balanced without a binding.
func TestFullTableRefuses(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 2, Cores: 1})
	s := newSite(t, []Step{{By: SourceIP}}, func(c *Config) { c.Table, c.Full = table, Refuse })
	s.send(client{addr: "192.0.2.1"}, answer{})
	s.send(client{addr: "192.0.2.2"}, answer{})
	s.choose = cas2
	s.expect("no room", s.send(client{addr: "192.0.2.3"}, answer{}), cas2, Fresh)
	s.choose = cas3
	s.expect("no room still", s.send(client{addr: "192.0.2.3"}, answer{}), cas3, Fresh)
	s.expect("bound before", s.send(client{addr: "192.0.2.1"}, answer{}), cas1, Bound)
	if st := table.Stats(s.now); st.Refusals != 2 || st.Evictions != 0 || st.Bindings != 2 {
		t.Errorf("stats = %+v; want 2 refusals, 0 evictions, 2 bindings", st)
	}
	s.pass(9 * time.Hour)
	s.send(client{addr: "192.0.2.3"}, answer{})
	s.choose = cas1
	s.expect("room again", s.send(client{addr: "192.0.2.3"}, answer{}), cas3, Bound)
}

// Made-up users push out each other alone.
func TestUnconfirmedBindingsEvictOnlyEachOther(t *testing.T) {
	const capacity = 5000
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("full=%v", full), func(t *testing.T) {
			table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
			sessions := capacity / 2
			if full {
				sessions = capacity
			}
			for i := range sessions {
				bindAt(table, sec0, i, cas1, true)
			}
			for i := range 3 * capacity {
				bindAt(table, sec0+uint32(i/1000), capacity+i, cas2, false)
			}
			st := table.Stats(start + 15e9)
			if st.Unconfirmed > capacity/10 || st.Bindings > capacity {
				t.Errorf("%d unconfirmed of %d bindings; want at most %d of %d", st.Unconfirmed, st.Bindings, capacity/10, capacity)
			}
			if st.ByServer[cas1] != sessions {
				t.Errorf("%d sessions left; want all %d", st.ByServer[cas1], sessions)
			}
			if full && st.Refusals == 0 || !full && st.Unconfirmed != capacity/10 {
				t.Errorf("stats = %+v", st)
			}
			checkCounts(t, table)
		})
	}
}

// Sessions that ran out make room for others, not for more unconfirmed bindings than
// their share.
func TestShareOfUnconfirmedBindingsIsKept(t *testing.T) {
	const capacity = 5000
	table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
	for i := range capacity / 2 {
		bindAt(table, sec0, i, cas1, true)
	}
	later := sec0 + 3600 + 1 // they are over, and still in their slots
	for i := range capacity / 2 {
		bindAt(table, later, capacity+i, cas2, false)
	}
	st := table.Stats(int64(later) * 1e9)
	if st.Unconfirmed != capacity/10 {
		t.Errorf("%d unconfirmed bindings; want %d", st.Unconfirmed, capacity/10)
	}
	checkCounts(t, table)
}

// Each new binding sweeps a few slots, so that those that ran out go long before
// the table has to grow.
func TestInsertionsSweep(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 4000, Cores: 1})
	for i := range 2000 {
		bindAt(table, sec0, i, cas1, true)
	}
	size := table.bytes.Load()
	inserts := (int(size/slotBytes)+2000)/sweepSlots + 1 // once round, and one look more where one was freed
	for i := range inserts {
		bindAt(table, sec0+7200, 2000+i, cas1, true)
	}
	if n := table.Len(); n > inserts+100 || table.bytes.Load() != size {
		t.Errorf("%d slots taken, %d octets; want about %d, %d", n, table.bytes.Load(), inserts, size)
	}
	checkCounts(t, table)
}

func TestExpiredBindingsMakeRoomForNew(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 100_000, Cores: 1})
	for round := range 20 {
		for i := range 2000 {
			bindAt(table, sec0+uint32(round)*7200, round*2000+i, cas1, true)
		}
	}
	if n := table.Len(); n > 6000 {
		t.Errorf("%d slots taken, of which 2000 are alive: not swept", n)
	}
	checkCounts(t, table)
}

func TestStatsAndRange(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 50_000, Cores: 1})
	for i := range 3000 {
		bindAt(table, sec0+uint32(i%100), i, balance.ServerID(1+i%3), i%10 != 0)
	}
	now := int64(sec0+100) * 1e9 // of the unconfirmed, those of the last 61 seconds are alive
	want := Stats{Capacity: 50_000, ByServer: map[balance.ServerID]int{}}
	for i := range 3000 {
		if i%10 != 0 || i%100 >= 40 {
			want.Bindings++
			want.ByServer[balance.ServerID(1+i%3)]++
			if i%10 == 0 {
				want.Unconfirmed++
			}
		}
	}
	got := table.Stats(now)
	if got.Bindings != want.Bindings || got.Unconfirmed != want.Unconfirmed || fmt.Sprint(got.ByServer) != fmt.Sprint(want.ByServer) {
		t.Errorf("Stats = %+v; want %+v", got, want)
	}
	if got.Oldest != 99*time.Second || got.Bytes < 3000*slotBytes {
		t.Errorf("oldest %v, %d octets; want 1m39s, at least %d", got.Oldest, got.Bytes, 3000*slotBytes)
	}
	seen := map[Key]bool{}
	table.Range(now, func(b Binding) bool {
		if seen[b.Key] || b.Server == 0 || b.Idle == 0 || b.Used.Before(time.Unix(int64(sec0), 0)) {
			t.Errorf("row %+v", b)
		}
		seen[b.Key] = true
		return true
	})
	if len(seen) != want.Bindings {
		t.Errorf("Range gives %d bindings; want %d", len(seen), want.Bindings)
	}
	n := 0
	table.Range(now, func(Binding) bool { n++; return n < 5 })
	if n != 5 {
		t.Errorf("Range goes on after false: %d rows", n)
	}
}

// TestTableConcurrently lets readers and writers loose on keys that always have
// one server each, among others that come and go: no reader may see a key bound
// to anything else, and a binding that nobody ends is never out of sight.
func TestTableConcurrently(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 20_000, Cores: 1})
	const steady = 500
	serverOf := func(i int) balance.ServerID { return balance.ServerID(1 + i%7) }
	keys := make([]Key, 4000)
	for i := range keys {
		keys[i] = keyOf(i)
	}
	for i := range steady {
		bindAt(table, sec0, i, serverOf(i), true)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 10_000 {
				i := (n*7919 + g*31) % len(keys)
				sec := sec0 + uint32(n/500)
				switch {
				case i < steady:
					table.touch(sec, keys[i], serverOf(i))
				case n%3 == 0:
					table.drop(keys[i])
				default:
					table.bind(&order{key: keys[i], word: newWord(serverOf(i), sec, n%2 == 0, newSpan(time.Hour))})
				}
				j := (n*104729 + g) % len(keys)
				w := table.get(sec, keys[j])
				if w == 0 && j < steady {
					t.Errorf("steady binding %d is out of sight", j)
					return
				}
				if w != 0 && w.server() != serverOf(j) {
					t.Errorf("binding %d is to server %d; want %d", j, w.server(), serverOf(j))
					return
				}
			}
		})
	}
	wg.Wait()
	checkCounts(t, table)
}

// TestReadersSeeThroughMoves reads bindings that nobody touches, while others come
// and go before them in one long row and so move them from slot to slot.
func TestReadersSeeThroughMoves(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 1000, Cores: 1})
	key := func(i int) Key { return Key{lo: uint64(i)} } // all of one home
	const row = 100
	bind := func(i int) {
		table.bind(&order{key: key(i), word: newWord(cas1, sec0, true, newSpan(time.Hour))})
	}
	for i := range row {
		bind(i + 1)
	}
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer done.Store(true)
		for range 500 {
			for i := 1; i <= row; i += 2 {
				table.drop(key(i))
			}
			for i := 1; i <= row; i += 2 {
				bind(i)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for i := 0; !done.Load(); i++ {
				if k := 2 + i%(row/2)*2; table.get(sec0, key(k)) == 0 {
					t.Errorf("binding %d is out of sight", k)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestFullTableConcurrently keeps a small table full from all sides.
func TestFullTableConcurrently(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 1000, Cores: 1})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 5000 {
				bindAt(table, sec0+uint32(n/100), g*5000+n, cas1, n%4 != 0)
			}
		})
	}
	wg.Wait()
	if n := table.Len(); n > 1000 {
		t.Errorf("%d bindings; want at most 1000", n)
	}
	checkCounts(t, table)
}

// A Ping of 59 minutes keeps its binding in a table that is full all the time: an
// open request touches it once a minute, so among those that may go it is one of
// the youngest, however long its timeout.
func TestBindingInUseIsNotEvicted(t *testing.T) {
	const capacity, inUse, perSecond = 1000, 50, 2
	for _, tt := range []struct {
		name  string
		young int // bindings besides that are used all the time, too
	}{{"most-are-older", 0}, {"a-third-is-older", 450}} {
		t.Run(tt.name, func(t *testing.T) {
			table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
			steady := inUse + tt.young
			for i := range steady {
				bindAt(table, sec0, i, cas1, true)
			}
			lost, next := 0, steady
			for sec := sec0; sec < sec0+59*60; sec++ {
				for range perSecond {
					bindAt(table, sec, next, cas2, true)
					next++
				}
				for i := int(sec % 60); i < steady; i += 60 { // each once a minute
					if table.touch(sec, keyOf(i), cas1); table.get(sec, keyOf(i)) == 0 {
						lost++
						bindAt(table, sec, i, cas1, true)
					}
				}
			}
			if st := table.Stats(start + 59*60e9); st.Evictions < 59*60*perSecond-2*capacity || st.Bindings != capacity {
				t.Fatalf("stats = %+v; want it full, and a binding evicted for each new one", st)
			}
			if lost > 0 {
				t.Errorf("%d times a binding in use was evicted", lost)
			}
		})
	}
}

// What makes room does so near to what needs it. Else, by chance alone, some
// shards and some parts of them would get ever fuller while the table is full,
// and with them memory and searches would grow.
func TestFullTableStaysEven(t *testing.T) {
	const capacity = shardBindings
	table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
	bind := func(from, to int) {
		for i := from; i < to; i++ {
			bindAt(table, sec0+uint32(i/20), i, cas1, true)
		}
	}
	// search returns how many slots a search for what is not there looks at, on average.
	search := func() float64 {
		looked := 0
		for i := range 5000 {
			k := keyOf(-1 - i)
			slots := table.shard(k).load()
			end, _ := find(slots, k)
			looked += end - home(k, len(slots)) + 1
		}
		return float64(looked) / 5000
	}
	bind(0, capacity+capacity/10)
	size, length := table.bytes.Load(), search()
	bind(capacity+capacity/10, 40*capacity)
	if got := table.bytes.Load(); got != size || got > 40*capacity {
		t.Errorf("%d octets, %d each, after 40 times the capacity; were %d", got, got/capacity, size)
	}
	if got := search(); got > 2*length {
		t.Errorf("a search in vain looks at %.1f slots; it was %.1f", got, length)
	}
	checkCounts(t, table)
}
