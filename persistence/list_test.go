package persistence

import (
	"strings"
	"sync"
	"testing"
	"time"

	"casbah/balance"
)

func TestKeyText(t *testing.T) {
	for _, k := range []Key{{lo: 1}, {hi: 1}, {hi: 1, lo: 2}, {hi: 0xfedcba9876543210, lo: 0x0123456789abcdef}, {hi: ^uint64(0), lo: 1 << 63}} {
		if got, err := ParseKey(k.String()); err != nil || got != k {
			t.Errorf("ParseKey(%s) = %v, %v; want the key", k, got, err)
		}
	}
	if got, want := (Key{hi: 0xfe, lo: 0x10}).String(), "00000000000000fe0000000000000010"; got != want {
		t.Errorf("String = %s; want %s", got, want)
	}
	for _, text := range []string{"", "0", strings.Repeat("1", 31), strings.Repeat("1", 33), strings.Repeat("1", 34), strings.Repeat("g", 32), strings.Repeat("0", 32)} {
		if k, err := ParseKey(text); err == nil || !strings.Contains(err.Error(), "want ") {
			t.Errorf("ParseKey(%q) = %v, %v; want it refused", text, k, err)
		}
	}
}

// A key begins with its own digits, whatever their case, and with no others.
func TestKeyPrefix(t *testing.T) {
	k := Key{hi: 0xfedcba9876543210, lo: 0x0123456789abcdef}
	text := k.String()
	for n := range keyDigits + 2 {
		p, err := ParseKeyPrefix(strings.ToUpper((text + "00")[:n]))
		if (err == nil) != (n >= shortestPrefix && n < keyDigits) {
			t.Errorf("%d digits: %v", n, err)
		}
		if err != nil {
			continue
		}
		other := k
		if n <= 16 {
			other.hi ^= 1 << (64 - 4*n)
		} else {
			other.lo ^= 1 << (128 - 4*n)
		}
		if !p.begins(k) || p.begins(other) || !(KeyPrefix{}).begins(other) {
			t.Errorf("%d digits: %s begins so: %v; %s: %v", n, k, p.begins(k), other, p.begins(other))
		}
	}
	for _, text := range []string{"0123456g", "0x123456", "        "} {
		if _, err := ParseKeyPrefix(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// FuzzParseKey: what is taken is what String writes, but for the case of digits.
func FuzzParseKey(f *testing.F) {
	f.Add("00000000000000fe0000000000000010")
	f.Add("00000000000000FE0000000000000010")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := ParseKey(text); err == nil && (k.IsZero() || k.String() != strings.ToLower(text)) {
			t.Fatalf("ParseKey(%q) = %s", text, k)
		}
	})
}

// A chain's labels are on the keys that its steps read, and on no others.
func TestLabels(t *testing.T) {
	s := newSite(t, []Step{{By: SourceIP}, {By: None}, {By: Cookie, Name: "A"}, {By: Header, Name: "Authorization"}, {By: InsertCookie}})
	other := newSite(t, easSteps, func(c *Config) { c.Scope = "other" })
	var steps []string
	marks := make(map[uint16]string)
	for _, l := range s.chain.Labels() {
		if l.Scope != "mail/cas/owa" {
			t.Errorf("label %+v of another scope", l)
		}
		steps = append(steps, l.Step)
		marks[l.Mark] = l.Step
	}
	if got, want := strings.Join(steps, ", "), "source_ip, cookie A, header Authorization"; got != want {
		t.Errorf("labels of %s; want %s", got, want)
	}
	c := client{addr: "192.0.2.1", cookie: "A=1", header: basic("alice", "x")}
	s.send(c, answer{set: []string{"A=1"}})
	v := s.send(c, answer{})
	for i := range v.walk.Readings[:v.walk.N] {
		rd := &v.walk.Readings[i]
		if !rd.Key.IsZero() && marks[rd.Key.Mark()] != s.chain.StepName(int(rd.Step)) {
			t.Errorf("the key of %s is labelled %q", s.chain.StepName(int(rd.Step)), marks[rd.Key.Mark()])
		}
	}
	v = other.send(c, answer{})
	for i := range v.walk.Readings[:v.walk.N] {
		if rd := &v.walk.Readings[i]; !rd.Key.IsZero() && marks[rd.Key.Mark()] != "" {
			t.Errorf("a key of another scope is labelled %q", marks[rd.Key.Mark()])
		}
	}
}

func TestSelect(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 10_000, Cores: 1})
	for i := range 100 { // every second to cas2, every fourth unconfirmed, the first half 30 s older
		bindAt(table, sec0+uint32(i/50*30), i, balance.ServerID(1+i%2), i%4 != 0)
	}
	bindAt(table, sec0-3700, 200, cas1, true) // has run out
	now := start + 40e9
	one := keyOf(7)
	for _, tt := range []struct {
		name string
		sel  Selection
		want int
	}{
		{"all", Selection{}, 100},
		{"server", Selection{Server: cas2}, 50},
		{"nobody's", Selection{Server: cas3}, 0},
		{"confirmed", Selection{Confirmed: true}, 75},
		{"unconfirmed", Selection{Unconfirmed: true}, 25},
		{"unused", Selection{Unused: 40 * time.Second}, 50},
		{"unused-longer", Selection{Unused: 41 * time.Second}, 0},
		{"server-and-unused", Selection{Server: cas2, Unused: 11 * time.Second}, 25},
		{"no-mark", Selection{Marks: map[uint16]bool{}}, 0},
		{"mark", Selection{Marks: map[uint16]bool{one.Mark(): true}, Server: cas2}, 1},
	} {
		n := 0
		table.Select(now, &tt.sel, func(b Binding) bool {
			n++
			if got, ok := table.Find(now, b.Key); !ok || got != b {
				t.Errorf("%s: Find = %+v, %v; want %+v", tt.name, got, ok, b)
			}
			return true
		})
		if n != tt.want {
			t.Errorf("%s: %d bindings; want %d", tt.name, n, tt.want)
		}
	}
	for _, i := range []int{200, 300} {
		if b, ok := table.Find(now, keyOf(i)); ok {
			t.Errorf("Find = %+v; want nothing for key %d", b, i)
		}
	}
}

// left returns how many bindings sel selects.
func left(table *Table, now int64, sel *Selection) int {
	n := 0
	table.Select(now, sel, func(Binding) bool { n++; return true })
	return n
}

func TestDelete(t *testing.T) {
	table := NewTable(TableOptions{PerCore: 40_000, Cores: 1})
	const all = 20_000
	for i := range all {
		bindAt(table, sec0, i, balance.ServerID(1+i%4), i%8 != 0)
	}
	if n := table.Delete(start, &Selection{Server: cas2}); n != all/4 {
		t.Errorf("%d deleted; want %d", n, all/4)
	}
	if n := table.Delete(start, &Selection{Server: cas2}); n != 0 {
		t.Errorf("%d deleted again", n)
	}
	for i := range all {
		if b, ok := table.Find(start, keyOf(i)); ok != (i%4 != 1) {
			t.Fatalf("binding %d: %+v, %v", i, b, ok)
		}
	}
	checkCounts(t, table)
	if !table.DeleteKey(start, keyOf(0)) || table.DeleteKey(start, keyOf(0)) || table.DeleteKey(start, keyOf(all)) {
		t.Error("DeleteKey: want true for a binding, and false for none")
	}
	if n := table.Delete(start, &Selection{}); n != all*3/4-1 || table.Len() != 0 {
		t.Errorf("%d deleted, %d left; want %d, 0", n, table.Len(), all*3/4-1)
	}
	checkCounts(t, table)
}

// inOneRow returns the key of binding i among some that stand behind each other,
// so that to remove one moves all that are behind it.
func inOneRow(i int) Key { return Key{lo: uint64(2 * i)} }

func bindRow(table *Table, from, to int, id balance.ServerID) {
	for i := from; i < to; i++ {
		table.bind(&order{key: inOneRow(i), word: newWord(id, sec0, true, newSpan(time.Hour))})
	}
}

// A walk knows that bindings have moved to where it has been already.
func TestPurgeKnowsWhatItMayHavePassedBy(t *testing.T) {
	for _, tt := range []struct {
		name  string
		drops int
		left  int
	}{{"undisturbed", 0, 0}, {"moved", 1, 1}} {
		table := NewTable(TableOptions{PerCore: 4000, Cores: 1})
		const part = 32
		bindRow(table, 0, part, cas1)
		bindRow(table, part, 2*part, cas2)
		p := purge{sec: sec0, sel: &Selection{Server: cas2}, part: part}
		sh := table.shard(inOneRow(0))
		p.step(table, sh)
		for i := range tt.drops {
			table.drop(inOneRow(i))
		}
		for !p.done {
			p.step(table, sh)
		}
		if n := left(table, start, p.sel); n != tt.left || p.moved != (tt.drops > 0) || p.alive != part-n {
			t.Errorf("%s: %d left, %d deleted, moved %v; want %d left", tt.name, n, p.alive, p.moved, tt.left)
		}
		checkCounts(t, table)
	}
}

// Nothing that was there is left behind, though others go meanwhile and so move
// what the deletion has not seen to where it has been.
func TestDeletePassesNoneBy(t *testing.T) {
	const front, row = partSlots / 2, 3 * partSlots
	for range 3 {
		table := NewTable(TableOptions{PerCore: 8000, Cores: 1})
		bindRow(table, 0, front, cas1)
		bindRow(table, front, front+row, cas2)
		bindRow(table, front+row, front+row+front, cas1)
		begin := make(chan struct{})
		var others sync.WaitGroup
		others.Go(func() {
			<-begin
			for i := range front {
				table.drop(inOneRow(i))
			}
		})
		close(begin)
		deleted := table.Delete(start, &Selection{Server: cas2})
		if n := left(table, start, &Selection{Server: cas2}); n > 0 || deleted != row {
			t.Errorf("%d deleted, %d left behind; want %d, 0", deleted, n, row)
		}
		others.Wait()
		if n := table.Len(); n != front {
			t.Errorf("%d bindings of the other server; want %d", n, front)
		}
		checkCounts(t, table)
	}
}

// A request that is open when its binding is deleted goes on, and does not bring
// the binding back; nor where the binding had run out shortly before.
func TestDeletedBindingStaysDeleted(t *testing.T) {
	for _, tt := range []struct {
		name string
		idle time.Duration // before the deletion
		want int           // deleted
	}{
		{"live", 0, 2},
		{"in-grace", 8*time.Hour + 30*time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, easSteps)
			v := s.send(client{addr: "192.0.2.1", header: basic("alice", "x")}, answer{})
			s.pass(tt.idle)
			if n := s.chain.table.Delete(s.now, &Selection{Server: v.server}); n != tt.want {
				t.Errorf("%d deleted; want %d", n, tt.want)
			}
			s.pass(time.Second)
			s.chain.Touch(s.now, &v.walk)
			s.pass(time.Second)
			s.choose = cas2
			s.expect("the next request", s.send(client{addr: "192.0.2.1", header: basic("alice", "x")}, answer{}), cas2, Fresh)
		})
	}
}
