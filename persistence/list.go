package persistence

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"casbah/balance"
)

// keyDigits is the length of a key in hexadecimal.
const keyDigits = 32

// AppendTo appends the key in hexadecimal to dst, 32 digits.
func (k Key) AppendTo(dst []byte) []byte {
	const digits = "0123456789abcdef"
	for _, half := range [...]uint64{k.hi, k.lo} {
		for shift := 60; shift >= 0; shift -= 4 {
			dst = append(dst, digits[half>>shift&15])
		}
	}
	return dst
}

// String returns the key in hexadecimal.
func (k Key) String() string { return string(k.AppendTo(make([]byte, 0, keyDigits))) }

// ParseKey reads what String wrote of a key; the zero Key is none.
func ParseKey(text string) (Key, error) {
	octets, err := hex.DecodeString(text)
	if err != nil || len(text) != keyDigits {
		return Key{}, fmt.Errorf("want %d hexadecimal digits, got %q", keyDigits, text)
	}
	k := keyFrom(octets)
	if k.IsZero() {
		return k, errors.New("want the key of a client; zero is none")
	}
	return k, nil
}

// keyFrom reads a key of 16 octets.
func keyFrom(octets []byte) Key {
	return Key{binary.BigEndian.Uint64(octets), binary.BigEndian.Uint64(octets[8:])}
}

// Label says what the keys of a step look like from outside: all with one mark
// belong to steps of one method in one scope, or, once in 65,536 pairs, of two.
type Label struct {
	Mark  uint16
	Scope string
	Step  string // see Chain.StepName
}

// Labels returns the labels of the steps whose keys are bound in the table.
func (c *Chain) Labels() []Label {
	var labels []Label
	for i := range c.steps {
		if s := &c.steps[i]; methods[s.by].bound {
			labels = append(labels, Label{s.mark, c.scope, c.names[i]})
		}
	}
	return labels
}

// Selection says which bindings are meant. A zero field means any.
type Selection struct {
	Marks       map[uint16]bool // nil: any
	Prefix      KeyPrefix
	Server      balance.ServerID
	Unused      time.Duration // for at least so long
	Confirmed   bool          // only those
	Unconfirmed bool          // only those
}

// has reports whether the binding of k is selected.
func (s *Selection) has(sec uint32, k Key, w word) bool {
	switch {
	case s.Server != 0 && w.server() != s.Server:
		return false
	case s.Confirmed && !w.confirmed() || s.Unconfirmed && w.confirmed():
		return false
	case k.Mark() == PlacementMark && !s.Marks[PlacementMark]:
		return false // says where a mailbox is, and binds nobody
	case s.Unused > 0 && time.Duration(w.age(sec))*time.Second < s.Unused:
		return false
	}
	return s.Prefix.begins(k) && (s.Marks == nil || s.Marks[k.Mark()])
}

// Binding is one row of a listing.
type Binding struct {
	Key       Key
	Server    balance.ServerID
	Used      time.Time     // last use
	Idle      time.Duration // how long it lives without use
	Confirmed bool
}

// newBinding returns the row of k.
func newBinding(k Key, w word) Binding {
	return Binding{
		Key: k, Server: w.server(), Used: time.Unix(int64(w.used()), 0),
		Idle: time.Duration(w.life()) * time.Second, Confirmed: w.confirmed(),
	}
}

// Find returns the binding of k, and false if it has none that is alive at now.
func (t *Table) Find(now int64, k Key) (Binding, bool) {
	w := t.get(seconds(now), k)
	return newBinding(k, w), w != 0
}

// partSlots is how many slots a listing looks at, or a deletion goes through,
// before it gives the shard's lock to others: some microseconds.
const partSlots = 256

// Range calls f for each binding that is alive at now, until f returns false. It
// holds no lock meanwhile; a binding that moves between slots at that time may
// be left out or come twice.
func (t *Table) Range(now int64, f func(Binding) bool) { t.Select(now, &Selection{}, f) }

// Select is Range for the bindings that sel selects.
func (t *Table) Select(now int64, sel *Selection, f func(Binding) bool) {
	sec := seconds(now)
	var part [partSlots]Binding
	for i := range t.shards {
		for from := 0; from >= 0; {
			var n int
			n, from = t.shards[i].copyPart(sec, from, sel, &part)
			for j := range n {
				if !f(part[j]) {
					return
				}
			}
		}
	}
}

// copyPart copies the selected live bindings of partSlots slots, and returns
// where to go on, -1 at the end.
func (sh *shard) copyPart(sec uint32, from int, sel *Selection, part *[partSlots]Binding) (n, next int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slots := sh.load()
	end := min(from+partSlots, len(slots))
	for i := from; i < end; i++ {
		w := word(slots[i].word.Load())
		if !w.alive(sec) {
			continue
		}
		if k := slots[i].key(); sel.has(sec, k, w) {
			part[n] = newBinding(k, w)
			n++
		}
	}
	if end >= len(slots) {
		return n, -1
	}
	return n, end
}
