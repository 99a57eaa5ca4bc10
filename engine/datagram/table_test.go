package datagram

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

// model is what a table is compared with: its flows in the order of their coming.
type model struct {
	t     *testing.T
	table table
	all   []*modeled
}

type modeled struct {
	flow  *flow
	at    int64
	waits bool
	out   bool // looked at, see table.ripe
}

// FuzzTable has flows come, be answered, fall due, make room and end in any
// order. The table must always name the same flows as a plain list does, be in
// order, and count right.
func FuzzTable(f *testing.F) {
	f.Add([]byte("\x00\x01\x05\x00\x02\x03\x01\x01\x00\x03\x00\x04\x04\x00\x00\x02\x01\x00"))
	f.Add([]byte("\x00\x01\x05\x00\x02\x05\x00\x03\x05\x01\x02\x00\x04\x01\x00\x04\x00\x00"))
	f.Add([]byte("\x00\x09\x01\x00\x08\x02\x00\x07\x03\x03\x02\x00\x02\x07\x00\x03\xff\x00\x00\x07\x09"))
	f.Fuzz(func(t *testing.T, script []byte) {
		m := &model{t: t}
		for now := int64(1); len(script) >= 3; script = script[3:] {
			k := key{client: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(script[1]%32))}
			switch arg := int64(script[2]); script[0] % 5 {
			case 0:
				m.come(k, now+arg)
			case 1:
				m.answer(k)
			case 2:
				m.end(k)
			case 3:
				now += int64(binary.BigEndian.Uint16(script[1:3]) % 300)
				m.pass(now, arg%3)
			case 4:
				m.evict(int(arg % 4))
			}
			m.check()
		}
	})
}

func (m *model) find(k key) int {
	return slices.IndexFunc(m.all, func(d *modeled) bool { return d.flow.key == k })
}

func (m *model) come(k key, at int64) {
	if m.find(k) >= 0 {
		return
	}
	d := &modeled{flow: &flow{key: k}, at: at, waits: true}
	m.all = append(m.all, d)
	m.table.add(d.flow, at)
}

func (m *model) answer(k key) {
	if i := m.find(k); i >= 0 {
		m.all[i].waits = false
		m.table.answer(m.all[i].flow)
	}
}

func (m *model) end(k key) {
	i := m.find(k)
	f := &flow{key: k} // another one of that name is not it
	if m.table.remove(f) {
		m.t.Fatal("a flow was removed that is not there")
	}
	if i < 0 {
		return
	}
	f = m.all[i].flow
	m.all = slices.Delete(m.all, i, i+1)
	if !m.table.remove(f) || m.table.remove(f) {
		m.t.Fatal("a flow is not removed once")
	}
	m.table.answer(f) // too late: nothing may come of it
	m.table.again(f, 1)
}

// pass looks at what is due, and gives back all, none or every second of it.
func (m *model) pass(now, back int64) {
	var some [4]*flow
	n := m.table.ripe(now, some[:])
	due := 0
	for _, d := range m.all {
		if !d.out && d.at <= now {
			due++
		}
	}
	if n != min(due, len(some)) {
		m.t.Fatalf("%d flows are ripe at %d; want %d", n, now, due)
	}
	for j, f := range some[:n] {
		d := m.all[m.find(f.key)]
		if d.flow != f || d.out || d.at > now {
			m.t.Fatalf("a flow is ripe at %d that is due at %d", now, d.at)
		}
		d.out = true
		if back == 0 || back == 1 && j%2 == 0 {
			d.at, d.out = now+7, false
			m.table.again(f, d.at)
			m.table.again(f, d.at+1) // is there already
		}
	}
}

func (m *model) evict(keep int) {
	waiting := 0
	oldest := -1
	for i, d := range m.all {
		if d.waits {
			waiting++
			if oldest < 0 {
				oldest = i
			}
		}
	}
	f := m.table.evict(keep)
	if waiting <= keep {
		if f != nil {
			m.t.Fatalf("a flow is evicted where %d wait and %d may", waiting, keep)
		}
		return
	}
	if f != m.all[oldest].flow {
		m.t.Fatal("another flow than the oldest is evicted")
	}
	m.all = slices.Delete(m.all, oldest, oldest+1)
}

// check compares all of the table with the model.
func (m *model) check() {
	t := &m.table
	var waiting []*flow
	in := 0
	for _, d := range m.all {
		if t.find(d.flow.key) != d.flow {
			m.t.Fatalf("flow %v is not found", d.flow.key.client)
		}
		if d.waits {
			waiting = append(waiting, d.flow)
		}
		if (d.flow.place.index == 0) != d.out {
			m.t.Fatalf("a flow stands at %d of the heap; looked at: %v", d.flow.place.index, d.out)
		}
		if !d.out {
			in++
		}
	}
	if len(t.flows) != len(m.all) || len(t.due) != in || t.unanswered != len(waiting) {
		m.t.Fatalf("%d flows, %d due, %d unanswered; want %d, %d, %d", len(t.flows), len(t.due), t.unanswered, len(m.all), in, len(waiting))
	}
	for i, f := range t.due {
		if f.place.index != i+1 || t.due[(i-1)/2].place.at > f.place.at && i > 0 {
			m.t.Fatalf("the heap is out of order at %d", i)
		}
	}
	at := t.oldest
	for _, f := range waiting {
		if at != f {
			m.t.Fatal("those that wait are out of order")
		}
		at = at.place.next
	}
	last := (*flow)(nil)
	if len(waiting) > 0 {
		last = waiting[len(waiting)-1]
	}
	if at != nil || t.newest != last {
		m.t.Fatal("the list of those that wait ends elsewhere")
	}
}
