package persistence

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"casbah/balance"
)

// threeServers are the names of cas1 to cas3, in the order of their IDs.
var threeServers = []string{"cas1", "cas2", "cas3"}

// turned gives the three servers other IDs than they had, as another process may.
func turned(name string) balance.ServerID {
	return balance.ServerID(3 - slices.Index(threeServers, name))
}

// same gives the three servers the IDs that they had.
func same(name string) balance.ServerID {
	return balance.ServerID(slices.Index(threeServers, name) + 1)
}

// saved returns a snapshot of the table at sec.
func saved(t fataler, table *Table, sec uint32) []byte {
	var file bytes.Buffer
	if _, err := table.Save(context.Background(), int64(sec)*1e9, &file, testSecret, threeServers); err != nil {
		t.Fatalf("Save: %v", err)
	}
	return file.Bytes()
}

type fataler interface{ Fatalf(string, ...any) }

// bindingsOf returns all that the table holds alive at sec.
func bindingsOf(table *Table, sec uint32) map[Key]word {
	all := make(map[Key]word)
	for i := range table.shards {
		for _, r := range table.shards[i].live(sec, nil) {
			all[r.key] = r.word
		}
	}
	return all
}

// What is alive when it is saved and still is when it is read is the same
// binding: key, server by its name, last use, confirmation and timeout.
func TestSnapshotRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, n := NewTable(TableOptions{PerCore: 20_000, Cores: 1}), rapid.IntRange(0, 300).Draw(t, "bindings")
		for i := range n {
			ago := rapid.Uint32Range(0, 4000).Draw(t, "ago")
			idle := rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour, 8 * time.Hour, 1 << 62}).Draw(t, "idle")
			id := balance.ServerID(rapid.IntRange(1, 3).Draw(t, "server"))
			table.bind(&order{key: keyOf(i), word: newWord(id, sec0-ago, rapid.Bool().Draw(t, "confirmed"), newSpan(idle))})
		}
		down := rapid.Uint32Range(0, 2000).Draw(t, "down")
		file := saved(t, table, sec0)
		want := bindingsOf(table, sec0+down)
		for k, w := range want {
			want[k] = newWord(4-w.server(), w.used(), w.confirmed(), w.idle())
		}
		again := NewTable(TableOptions{PerCore: 300_000, Cores: 1}) // other shards, too
		got, err := again.Restore(int64(sec0+down)*1e9, bytes.NewReader(file), testSecret, turned)
		if err != nil {
			t.Fatalf("Restore: %v", err)
		}
		if have := bindingsOf(again, sec0+down); !maps.Equal(have, want) {
			t.Fatalf("%d bindings after %d; want %d\n%x\n%x", len(have), n, len(want), have, want)
		}
		if expired := len(bindingsOf(table, sec0)) - len(want); got.Bindings != len(want) || got.Expired != expired || got.Orphans+got.NoRoom != 0 {
			t.Fatalf("Restore = %+v; want %d in force, %d expired", got, len(want), expired)
		}
		checkCounts(t, again)
	})
}

// The time for which casbah was down counts as idle time. A clock that was set
// back, while it was down or before, neither keeps a binding for ever nor ends it.
func TestSnapshotAndTheClock(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 1000, Cores: 1})
	bindAt(table, sec0+86400, 2, cas2, true) // before the clock was set back by a day
	bindAt(table, sec0-600, 1, cas1, true)
	file := saved(t, table, sec0)
	for _, tt := range []struct {
		name string
		read int64  // seconds after sec0
		ages [3]int // of bindings 1 and 2; -1: not there
	}{
		{name: "at-once", read: 0, ages: [3]int{1: 600, 2: 0}},
		{name: "half-an-hour-later", read: 1800, ages: [3]int{1: 2400, 2: 1800}},
		{name: "last-second", read: 3000, ages: [3]int{1: 3600, 2: 3000}},
		{name: "too-late", read: 3001, ages: [3]int{1: -1, 2: 3001}},
		{name: "far-too-late", read: 1 << 33, ages: [3]int{1: -1, 2: -1}},
		{name: "set-back", read: -7200, ages: [3]int{1: 600, 2: 0}},
		{name: "set-back-by-years", read: -300_000_000, ages: [3]int{1: 600, 2: 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			again := NewTable(TableOptions{PerCore: 1000, Cores: 1})
			now := int64(sec0) + tt.read
			if _, err := again.Restore(now*1e9, bytes.NewReader(file), testSecret, same); err != nil {
				t.Fatal(err)
			}
			for i := 1; i <= 2; i++ {
				got := -1
				if w := again.get(uint32(now), keyOf(i)); w != 0 {
					got = int(w.age(uint32(now)))
				}
				if got != tt.ages[i] {
					t.Errorf("binding %d has age %d s; want %d", i, got, tt.ages[i])
				}
			}
		})
	}
}

// Servers that are not configured any more leave nothing behind.
func TestSnapshotLeavesOutServersThatAreGone(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 1000, Cores: 1})
	for i := range 90 {
		bindAt(table, sec0, i, balance.ServerID(1+i%3), true)
	}
	bindAt(table, sec0, 90, 4, true) // it came after the names were taken
	again := NewTable(TableOptions{PerCore: 1000, Cores: 1})
	got, err := again.Restore(start, bytes.NewReader(saved(t, table, sec0)), testSecret, func(name string) balance.ServerID {
		return map[string]balance.ServerID{"cas1": 7, "cas3": 1}[name]
	})
	if err != nil || got.Bindings != 60 || got.Orphans != 30 {
		t.Errorf("Restore = %+v, %v; want 60 bindings, 30 orphans", got, err)
	}
	if st := again.Stats(start); st.ByServer[7] != 30 || st.ByServer[1] != 30 {
		t.Errorf("bindings by server: %v; want 30 of 7 and of 1", st.ByServer)
	}
}

func TestSnapshotRespectsTheCapacity(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 20_000, Cores: 1})
	for i := range 12_000 {
		bindAt(table, sec0, i, cas1, i%10 != 0)
	}
	again := NewTable(TableOptions{PerCore: 5000, Cores: 1})
	got, err := again.Restore(start, bytes.NewReader(saved(t, table, sec0)), testSecret, same)
	if err != nil || got.Bindings != 5000 || got.NoRoom != 7000 {
		t.Errorf("Restore = %+v, %v; want 5000 bindings, no room for 7000", got, err)
	}
	if st := again.Stats(start); st.Bindings != 5000 || st.Unconfirmed > 500 || st.Evictions+st.Refusals != 0 {
		t.Errorf("stats = %+v; want 5000 bindings, at most 500 unconfirmed, nothing evicted or refused", st)
	}
	checkCounts(t, again)
}

// remade gives a snapshot that was changed the checksum that it would have.
func remade(file []byte) []byte {
	body := file[:len(file)-macBytes]
	mac := newMAC(testSecret)
	mac.Write(body)
	return mac.Sum(bytes.Clone(body))
}

// A snapshot that is not whole, not ours or not understood is refused as a whole.
func TestSnapshotRefused(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 100, Cores: 1})
	for i := range 20 {
		bindAt(table, sec0, i, balance.ServerID(1+i%3), i%4 != 0)
	}
	file := saved(t, table, sec0)
	change := func(at int, p ...byte) []byte {
		f := bytes.Clone(file)
		copy(f[at:], p)
		return f
	}
	const names = len(snapshotMagic) + 4 + checkBytes + 8 // where their number stands
	first := names + 4 + 3*(2+4) + 4                      // where the first row stands
	tests := []struct {
		name   string
		file   []byte
		secret Secret
		want   error
		text   string
	}{
		{"empty", nil, testSecret, ErrDamaged, "ends too early"},
		{"other-file", []byte("{\"version\": 1, \"bindings\": []}"), testSecret, ErrDamaged, "does not begin as one"},
		{"foreign", file, Secret{9}, ErrForeign, "binding.key"},
		{"newer", change(len(snapshotMagic), 2), testSecret, ErrNewer, "version is 2, this casbah reads 1"},
		{"version-0", change(len(snapshotMagic), 0), testSecret, ErrDamaged, "no version 0"},
		{"longer", append(bytes.Clone(file), 0), testSecret, ErrDamaged, "more behind its end"},
		{"checksum", change(len(file)-1, file[len(file)-1]^1), testSecret, ErrDamaged, "checksum"},
		{"last-use", change(first+16+2, 1), testSecret, ErrDamaged, "checksum"},
		{"names-without-end", remade(change(names, 255, 255, 255, 255)), testSecret, ErrDamaged, "end"},
		{"server-0", remade(change(first+22, 0, 0)), testSecret, ErrDamaged, "binding 0 is none"},
		{"server-4", remade(change(first+22, 4, 0)), testSecret, ErrDamaged, "binding 0 is none"},
		{"no-timeout", remade(change(first+16, 0, 0)), testSecret, ErrDamaged, "binding 0 is none"},
		{"no-key", remade(change(first, make([]byte, 16)...)), testSecret, ErrDamaged, "binding 0 is none"},
		{"big-block", remade(change(first-4, 1, 16)), testSecret, ErrDamaged, "a block of 4097"},
		{"total", remade(change(len(file)-macBytes-8, 21)), testSecret, ErrDamaged, "holds 20 bindings and says that it holds 21"},
	}
	for n := range len(file) {
		tests = append(tests, struct {
			name   string
			file   []byte
			secret Secret
			want   error
			text   string
		}{fmt.Sprintf("cut-at-%d", n), file[:n], testSecret, ErrDamaged, "ends too early"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			again := NewTable(TableOptions{PerCore: 100, Cores: 1})
			got, err := again.Restore(start, bytes.NewReader(tt.file), tt.secret, same)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Restore = %v; want %v, with %q", err, tt.want, tt.text)
			}
			if got != (Restored{}) || again.Len() != 0 || again.bytes.Load() != 0 {
				t.Errorf("Restore = %+v, %d slots taken; want nothing", got, again.Len())
			}
		})
	}
	for at := range file {
		again := NewTable(TableOptions{PerCore: 100, Cores: 1})
		if _, err := again.Restore(start, bytes.NewReader(change(at, file[at]^0x10)), testSecret, same); err == nil || again.Len() != 0 {
			t.Errorf("octet %d altered: Restore = %v, %d slots taken", at, err, again.Len())
		}
	}
}

// A snapshot can be told from one of another secret, and holds nothing of either.
func TestSnapshotHoldsNoSecret(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 100, Cores: 1})
	bindAt(table, sec0, 1, cas1, true)
	file := saved(t, table, sec0)
	for _, half := range [][]byte{testSecret[:8], testSecret[8:]} {
		if bytes.Contains(file, half) {
			t.Errorf("the snapshot holds %x of its secret", half)
		}
	}
	if check := snapshotCheck(testSecret); bytes.Equal(check[:], testSecret[:]) || check == snapshotCheck(Secret{9}) {
		t.Errorf("the check of a secret is %x", check)
	}
}

// failing is a file that fails, behind so many octets, when it is read for the
// second time.
type failing struct {
	*bytes.Reader
	after int64
	again bool
}

var errDisk = errors.New("input/output error")

func (f *failing) Seek(to int64, from int) (int64, error) {
	f.again = true
	return f.Reader.Seek(to, from)
}

func (f *failing) Read(p []byte) (int, error) {
	at := f.Size() - int64(f.Len())
	if f.again && at >= f.after {
		return 0, errDisk
	}
	return f.Reader.Read(p[:min(int64(len(p)), f.after)])
}

// A disk that fails halfway through the second reading leaves nothing behind.
func TestSnapshotThatCannotBeReadTwice(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 10_000, Cores: 1})
	for i := range 9000 {
		bindAt(table, sec0, i, cas1, true)
	}
	file := &failing{Reader: bytes.NewReader(saved(t, table, sec0)), after: 150_000}
	again := NewTable(TableOptions{PerCore: 10_000, Cores: 1})
	if got, err := again.Restore(start, file, testSecret, same); !errors.Is(err, errDisk) || got != (Restored{}) {
		t.Errorf("Restore = %+v, %v; want %v", got, err, errDisk)
	}
	if st := again.Stats(start); again.Len() != 0 || st.Bindings != 0 || st.Bytes != 0 {
		t.Errorf("%d slots taken, %+v; want an empty table", again.Len(), st)
	}
	checkCounts(t, again)
	bindAt(again, sec0, 1, cas1, true)
	if again.get(sec0, keyOf(1)) == 0 {
		t.Error("the table is of no use afterwards")
	}
}

// full is a disk with room for so many octets.
type full int

var errFull = errors.New("no space left on device")

func (f *full) Write(p []byte) (int, error) {
	if *f -= full(len(p)); *f < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// Whatever the disk takes no more, Save says so.
func TestSaveTellsOfAFullDisk(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 10_000, Cores: 1})
	for i := range 9000 {
		bindAt(table, sec0, i, cas1, true)
	}
	size := len(saved(t, table, sec0))
	for room := 0; room < size; room += 7777 {
		disk := full(room)
		if _, err := table.Save(t.Context(), start, &disk, testSecret, threeServers); !errors.Is(err, errFull) {
			t.Errorf("Save with room for %d of %d octets = %v; want %v", room, size, err, errFull)
		}
	}
	disk := full(size)
	if n, err := table.Save(t.Context(), start, &disk, testSecret, threeServers); err != nil || n != 9000 {
		t.Errorf("Save = %d, %v; want 9000", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := table.Save(ctx, start, io.Discard, testSecret, threeServers); !errors.Is(err, context.Canceled) {
		t.Errorf("Save = %v; want it to give up", err)
	}
}

// TestSaveWhileBindingsComeAndGo saves a table that writers are at work on: each
// binding that nobody ends is in every snapshot, and none is bound to anything
// but its server.
func TestSaveWhileBindingsComeAndGo(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 20_000, Cores: 1})
	const steady, all = 3000, 9000
	serverOf := func(i int) balance.ServerID { return balance.ServerID(1 + i%3) }
	index := make(map[Key]int)
	keys := make([]Key, all)
	for i := range keys {
		keys[i] = keyOf(i)
		index[keys[i]] = i
	}
	for i := range steady {
		bindAt(table, sec0, i, serverOf(i), true)
	}
	var done atomic.Bool
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			for n := g; !done.Load(); n++ {
				switch i := n * 7919 % all; {
				case i < steady:
					table.touch(sec0+uint32(n%50), keys[i], serverOf(i))
				case n%2 == 0:
					table.drop(keys[i])
				default:
					table.bind(&order{key: keys[i], word: newWord(serverOf(i), sec0, n%3 != 0, newSpan(time.Hour))})
				}
			}
		})
	}
	for range 30 {
		file := saved(t, table, sec0)
		seen := 0
		err := scanSnapshot(bytes.NewReader(file), testSecret, func(*snapshotHead) {}, func(r row) {
			i, ok := index[r.key]
			if !ok || r.word.server() != serverOf(i) {
				t.Errorf("binding %d of server %d is in the snapshot", i, r.word.server())
			}
			if i < steady {
				seen++
			}
		})
		if err != nil || seen != steady {
			t.Errorf("snapshot: %v, with %d of the bindings that stay; want %d", err, seen, steady)
		}
	}
	done.Store(true)
	wg.Wait()
	checkCounts(t, table)
}

// Reading needs a fixed amount of memory besides the table.
func TestRestoreNeedsLittleMemory(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 100_000, Cores: 1})
	for i := range 50_000 {
		bindAt(table, sec0, i, cas1, true)
	}
	file := saved(t, table, sec0)
	n := testing.AllocsPerRun(5, func() {
		if err := scanSnapshot(bytes.NewReader(file), testSecret, func(*snapshotHead) {}, func(row) {}); err != nil {
			t.Fatal(err)
		}
	})
	if n > 50 {
		t.Errorf("reading 50,000 bindings takes %v allocations; want at most 50", n)
	}
}

// FuzzSnapshot reads anything, as it is and with the checksum that it would
// need: what is taken in is well formed, or nothing is taken in.
func FuzzSnapshot(f *testing.F) {
	table := NewTable(TableOptions{PerCore: 100, Cores: 1})
	f.Add(saved(f, table, sec0))
	for i := range 5 {
		bindAt(table, sec0, i, balance.ServerID(1+i%3), i%2 == 0)
	}
	file := saved(f, table, sec0)
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add(binary.LittleEndian.AppendUint32([]byte(snapshotMagic), 2))
	f.Fuzz(func(t *testing.T, in []byte) {
		tries := [][]byte{in}
		if len(in) >= macBytes {
			tries = append(tries, remade(in))
		}
		for _, file := range tries {
			again := NewTable(TableOptions{PerCore: 50, Cores: 1})
			got, err := again.Restore(start, bytes.NewReader(file), testSecret, same)
			if err != nil {
				if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) && !errors.Is(err, ErrNewer) {
					t.Fatalf("Restore = %v; want one of the three errors", err)
				}
				if again.Len() != 0 {
					t.Fatalf("refused (%v), and %d bindings are in force", err, again.Len())
				}
				continue
			}
			have := bindingsOf(again, sec0)
			if len(have) != got.Bindings || got.Bindings > 50 {
				t.Fatalf("%d bindings are alive; Restore = %+v", len(have), got)
			}
			for k, w := range have {
				if k.IsZero() || w.server() == 0 || w.server() > 3 || !w.alive(sec0) || w.idle().seconds() == 0 {
					t.Fatalf("binding %x of %x", w, k)
				}
			}
			checkCounts(t, again)
		}
	})
}
