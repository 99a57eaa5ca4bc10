//go:build linux

package reactor

import (
	"math/bits"
	"time"
)

// The wheel's measures: a slot is 67 ms, the wheel 34 s around. A deadline is
// met up to one slot late.
const (
	slotBits = 26
	slots    = 512
)

// wheel holds the deadlines of the connections of one loop. A connection is
// armed lazily: a deadline that moves away, as an idle deadline does with every
// request, costs nothing; the slot then comes early and the connection is armed
// for the rest. What is due beyond the wheel is armed at its end.
type wheel struct {
	head [slots]*conn
	used [slots / 64]uint64 // which slots are not empty
	tick int64              // the last one that was swept
}

// arm makes c be swept no later than one slot after at.
func (w *wheel) arm(c *conn, at int64) {
	tick := max(at>>slotBits+1, w.tick+1)
	tick = min(tick, w.tick+slots-1)
	if c.tick != 0 {
		if c.tick <= tick {
			return
		}
		w.remove(c)
	}
	slot := tick % slots
	c.tick = tick
	c.after = w.head[slot]
	if c.after != nil {
		c.after.before = c
	}
	w.head[slot] = c
	w.used[slot/64] |= 1 << (slot % 64)
}

// remove takes c off the wheel.
func (w *wheel) remove(c *conn) {
	if c.tick == 0 {
		return
	}
	slot := c.tick % slots
	if c.before != nil {
		c.before.after = c.after
	} else if w.head[slot] = c.after; c.after == nil {
		w.used[slot/64] &^= 1 << (slot % 64)
	}
	if c.after != nil {
		c.after.before = c.before
	}
	c.before, c.after, c.tick = nil, nil, 0
}

// sweep calls due for the connections whose slots have come.
func (w *wheel) sweep(now int64, due func(*conn)) {
	last := now >> slotBits
	if last-w.tick > slots {
		w.tick = last - slots // each slot once
	}
	for {
		// The slot of tick is empty, unless a panic left some.
		for slot := w.tick % slots; w.head[slot] != nil; {
			c := w.head[slot]
			w.remove(c)
			due(c)
		}
		if w.tick >= last {
			return
		}
		w.tick++
	}
}

// wait returns how long the loop may sleep; negative is for ever.
func (w *wheel) wait(now int64) time.Duration {
	first := w.tick
	for i := int64(0); i <= slots/64; i++ {
		slot := (first + i*64) % slots
		word := w.used[slot/64]
		if i == 0 {
			word &= ^uint64(0) << (slot % 64)
		}
		if word != 0 {
			tick := first + i*64 - slot%64 + int64(bits.TrailingZeros64(word))
			return time.Duration(max(tick<<slotBits-now, 0))
		}
	}
	return -1
}
