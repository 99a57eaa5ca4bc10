package persistence

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// tableSize is how many bindings the benchmarks of this file are made with;
// make bench-table names several.
var tableSize = flag.Int("table", 1_000_000, "bindings in the benchmarks of the table")

// mixed returns the i-th key of a series. It is computed: a list of ten million
// keys in memory would cost the look-up as much as the table does.
func mixed(i uint64) Key {
	mix := func(x uint64) uint64 { // splitmix64, by Vigna
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return x ^ x>>31
	}
	k := Key{lo: mix(i*0x9e3779b97f4a7c15 + 1), hi: mix(i*0x9e3779b97f4a7c15 + 2)}
	if k.Mark() == PlacementMark { // no step has it
		k.hi++
	}
	return k
}

// ofSize returns a table that holds n bindings of an hour, in a capacity.
func ofSize(n, capacity int) *Table {
	table := NewTable(TableOptions{PerCore: capacity, Cores: 1})
	w := newWord(cas1, sec0, true, newSpan(time.Hour))
	for i := range n {
		table.bind(&order{key: mixed(uint64(i)), word: w})
	}
	return table
}

// BenchmarkTableGet looks bindings up at random. With wait=true each look-up
// waits for the one before it, as in a process that does other things as well;
// with wait=false the processor overlaps them.
func BenchmarkTableGet(b *testing.B) {
	n := uint64(*tableSize)
	table := ofSize(int(n), int(n))
	for _, bm := range []struct {
		name string
		from uint64 // of the keys
	}{{"hit", 0}, {"miss", n}} {
		for _, wait := range []bool{true, false} {
			b.Run(fmt.Sprintf("bindings=%d/%s/wait=%v", n, bm.name, wait), func(b *testing.B) {
				b.ReportAllocs()
				x, found := uint64(1), 0
				for b.Loop() {
					x = x*6364136223846793005 + 1442695040888963407
					w := table.get(sec0, mixed(bm.from+(x>>20)%n))
					if w != 0 {
						found++
					}
					if wait {
						x += uint64(w) & 1
					}
				}
				if (found == b.N) != (bm.name == "hit") || found != 0 && bm.name == "miss" {
					b.Fatalf("%d of %d found", found, b.N)
				}
			})
		}
	}
}

// BenchmarkTableBytes fills tables up to a quarter, a half and all of their
// capacity and reports what a binding takes then, of the slots and of the heap.
func BenchmarkTableBytes(b *testing.B) {
	n := *tableSize
	for _, part := range []int{4, 2, 1} {
		b.Run(fmt.Sprintf("capacity=%d/full=1:%d", n, part), func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				begun := time.Now()
				table := ofSize(n/part, n)
				b.ReportMetric(float64(time.Since(begun).Nanoseconds())/float64(n/part), "ns/bind")
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(table.bytes.Load())/float64(n/part), "B/binding")
				b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/float64(n/part), "heap-B/binding")
				runtime.KeepAlive(table)
			}
		})
	}
}

// BenchmarkTableGC collects garbage beside a full table and reports the pauses.
func BenchmarkTableGC(b *testing.B) {
	table := ofSize(*tableSize, *tableSize)
	debug.FreeOSMemory() // what growing has left: giving it back to the system is what a pause would wait for
	var st debug.GCStats
	debug.ReadGCStats(&st)
	begin := st.NumGC
	var pauses []time.Duration
	for b.Loop() {
		runtime.GC()
		debug.ReadGCStats(&st)
		for i := range min(int(st.NumGC-begin), len(st.Pause)) {
			pauses = append(pauses, st.Pause[i])
		}
		begin = st.NumGC
	}
	slices.Sort(pauses)
	b.ReportMetric(float64(pauses[len(pauses)/2].Nanoseconds()), "ns-median-pause")
	b.ReportMetric(float64(pauses[len(pauses)*99/100].Nanoseconds()), "ns-p99-pause")
	b.ReportMetric(float64(pauses[len(pauses)-1].Nanoseconds()), "ns-worst-pause")
	runtime.KeepAlive(table)
}

// BenchmarkTableGrow fills a table and reports how long the growing of a shard,
// for which writers to it wait, takes at most and in the middle.
func BenchmarkTableGrow(b *testing.B) {
	n := *tableSize
	w := newWord(cas1, sec0, true, newSpan(time.Hour))
	for b.Loop() {
		table := NewTable(TableOptions{PerCore: n, Cores: 1})
		var grown []time.Duration
		for i := range n {
			size := table.bytes.Load()
			begun := time.Now()
			table.bind(&order{key: mixed(uint64(i)), word: w})
			if took := time.Since(begun); table.bytes.Load() != size && i > n/2 {
				grown = append(grown, took)
			}
		}
		slices.Sort(grown)
		b.ReportMetric(float64(len(grown)), "growths")
		if len(grown) > 0 {
			b.ReportMetric(float64(grown[len(grown)/2].Nanoseconds()), "ns-median")
			b.ReportMetric(float64(grown[len(grown)*99/100].Nanoseconds()), "ns-p99")
			b.ReportMetric(float64(grown[len(grown)-1].Nanoseconds()), "ns-worst")
		}
	}
}

// BenchmarkTableEvict binds new keys to a full table, all of which was used just
// now: the dearest case, see wideSample.
func BenchmarkTableEvict(b *testing.B) {
	n := uint64(*tableSize)
	table := ofSize(int(n), int(n))
	w := newWord(cas1, sec0, true, newSpan(time.Hour))
	b.ReportAllocs()
	i := n
	for b.Loop() {
		table.bind(&order{key: mixed(i), word: w})
		i++
	}
}

// BenchmarkSnapshot saves and restores a full table.
func BenchmarkSnapshot(b *testing.B) {
	n := *tableSize
	table := ofSize(n, n)
	b.Run(fmt.Sprintf("save/bindings=%d", n), func(b *testing.B) {
		b.SetBytes(int64(n) * slotBytes)
		for b.Loop() {
			if _, err := table.Save(context.Background(), start, io.Discard, testSecret, threeServers); err != nil {
				b.Fatal(err)
			}
		}
	})
	var file bytes.Buffer
	if _, err := table.Save(context.Background(), start, &file, testSecret, threeServers); err != nil {
		b.Fatal(err)
	}
	b.Run(fmt.Sprintf("restore/bindings=%d", n), func(b *testing.B) {
		b.SetBytes(int64(n) * slotBytes)
		for b.Loop() {
			again := NewTable(TableOptions{PerCore: n, Cores: 1})
			if got, err := again.Restore(start, bytes.NewReader(file.Bytes()), testSecret, same); err != nil || got.Bindings != n {
				b.Fatal(got, err)
			}
		}
	})
}
