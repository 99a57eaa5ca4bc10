package datagram

import (
	"net/netip"
	"sync"
)

// key names a flow: who says something, and where he was heard.
type key struct {
	socket *Socket
	client netip.AddrPort // as the socket gave it: IPv4 over an IPv6 socket is mapped
	called netip.Addr     // which of the socket's addresses; zero where it has one
}

// table holds the flows of one listener: by who they are, by when they want to
// be looked at, and, of those that nobody has answered, by age. The zero value is
// ready.
type table struct {
	mu             sync.Mutex // guards the fields below, and the places of flows; held for a look
	flows          map[key]*flow
	due            []*flow // a heap: the one that is due first is at 0
	oldest, newest *flow   // of those that nobody has answered
	unanswered     int
}

// place is where a flow stands in its table.
type place struct {
	at         int64 // when it is due
	index      int   // in due, from 1; 0: it is not there
	waits      bool  // nobody has answered it
	prev, next *flow // of those that wait
}

// find returns the flow of k, or nil.
func (t *table) find(k key) *flow {
	t.mu.Lock()
	f := t.flows[k]
	t.mu.Unlock()
	return f
}

// add takes in a flow that begins and is due at that time.
func (t *table) add(f *flow, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flows == nil {
		t.flows = make(map[key]*flow)
	}
	t.flows[f.key] = f
	f.place = place{waits: true, prev: t.newest}
	if t.newest != nil {
		t.newest.place.next = f
	} else {
		t.oldest = f
	}
	t.newest = f
	t.unanswered++
	t.push(f, at)
}

// answer notes that a server has answered f.
func (t *table) answer(f *flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unwait(f)
}

// remove takes f out, and reports whether it was there.
func (t *table) remove(f *flow) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.drop(f)
}

// evict takes out the oldest flow that nobody has answered, if more than keep
// are there; else it returns nil.
func (t *table) evict(keep int) *flow {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unanswered <= keep {
		return nil
	}
	f := t.oldest
	t.drop(f)
	return f
}

// ripe returns flows that are due at now, as many as fit into to. They are looked
// at: each is to be given back by again, or removed.
func (t *table) ripe(now int64, to []*flow) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for n < len(to) && len(t.due) > 0 && t.due[0].place.at <= now {
		to[n] = t.due[0]
		t.pop(to[n])
		n++
	}
	return n
}

// again says when f, of ripe, is due next. One that was removed stays removed.
func (t *table) again(f *flow, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flows[f.key] == f && f.place.index == 0 {
		t.push(f, at)
	}
}

// of returns the flows of a socket.
func (t *table) of(s *Socket) []*flow {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*flow
	for k, f := range t.flows {
		if k.socket == s {
			all = append(all, f)
		}
	}
	return all
}

func (t *table) drop(f *flow) bool {
	if t.flows[f.key] != f {
		return false
	}
	delete(t.flows, f.key)
	t.unwait(f)
	t.pop(f)
	return true
}

// unwait takes f out of those that wait for their first answer.
func (t *table) unwait(f *flow) {
	p := &f.place
	if !p.waits {
		return
	}
	if p.prev != nil {
		p.prev.place.next = p.next
	} else {
		t.oldest = p.next
	}
	if p.next != nil {
		p.next.place.prev = p.prev
	} else {
		t.newest = p.prev
	}
	p.waits, p.prev, p.next = false, nil, nil
	t.unanswered--
}

// push puts f into the heap.
func (t *table) push(f *flow, at int64) {
	f.place.at = at
	t.due = append(t.due, f)
	f.place.index = len(t.due)
	t.up(len(t.due) - 1)
}

// pop takes f out of the heap, wherever it stands there.
func (t *table) pop(f *flow) {
	i := f.place.index - 1
	if i < 0 {
		return
	}
	last := len(t.due) - 1
	t.swap(i, last)
	t.due[last] = nil
	t.due = t.due[:last]
	f.place.index = 0
	if i < last {
		t.down(i)
		t.up(i)
	}
}

func (t *table) up(i int) {
	for i > 0 && t.due[i].place.at < t.due[(i-1)/2].place.at {
		t.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (t *table) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(t.due); c++ {
			if t.due[c].place.at < t.due[least].place.at {
				least = c
			}
		}
		if least == i {
			return
		}
		t.swap(i, least)
		i = least
	}
}

func (t *table) swap(i, j int) {
	t.due[i], t.due[j] = t.due[j], t.due[i]
	t.due[i].place.index, t.due[j].place.index = i+1, j+1
}
