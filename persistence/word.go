package persistence

import (
	"math/bits"
	"time"

	"casbah/balance"
)

// unconfirmedLife is how many seconds a binding lives without use before the
// server has confirmed its key, whatever the chain's timeout.
const unconfirmedLife = 60

// grace is for how many seconds a binding that has run out stays in its slot,
// so that a Touch that comes late for an open request still finds it. Meanwhile
// no walk sees it.
const grace = 60

// word is a binding in 64 bits: the server (16), the second of its last use
// (32), whether it is confirmed (1), and its idle timeout (15). It is 0 only
// where nothing is bound, since no server has the ID 0.
type word uint64

const confirmedBit word = 1 << spanBits

func newWord(id balance.ServerID, sec uint32, confirmed bool, idle span) word {
	w := word(id)<<48 | word(sec)<<16 | word(idle)
	if confirmed {
		w |= confirmedBit
	}
	return w
}

func (w word) server() balance.ServerID { return balance.ServerID(w >> 48) }
func (w word) used() uint32             { return uint32(w >> 16) }
func (w word) confirmed() bool          { return w&confirmedBit != 0 }
func (w word) idle() span               { return span(w & (1<<spanBits - 1)) }

// at returns w as used at sec; a clock that was set back changes nothing.
func (w word) at(sec uint32) word {
	if int32(sec-w.used()) <= 0 {
		return w
	}
	return w&^(0xffffffff<<16) | word(sec)<<16
}

// age returns the seconds since the last use.
func (w word) age(sec uint32) uint32 {
	if d := int32(sec - w.used()); d > 0 {
		return uint32(d)
	}
	return 0
}

// life returns how many seconds the binding lives without use.
func (w word) life() uint32 {
	s := w.idle().seconds()
	if !w.confirmed() {
		return min(s, unconfirmedLife)
	}
	return s
}

// alive reports whether the binding holds at sec. Seconds are cut, not rounded,
// so the last one counts in full: no binding ends early.
func (w word) alive(sec uint32) bool { return w != 0 && w.age(sec) <= w.life() }

// spent reports whether the slot may be given to another key.
func (w word) spent(sec uint32) bool { return w.age(sec) > w.life()+grace }

// span is a number of seconds in 15 bits: a mantissa of 11 and an exponent of
// 4. Each slot carries its own timeout, so that chains with different ones share
// a table and a reload changes nothing for the bindings that exist. Up to 34
// minutes it is exact, above that at most 0.1 % too long.
type span uint16

const (
	spanBits     = 15
	mantissaBits = 11
	maxSpan      = (1<<mantissaBits - 1) << (1<<(spanBits-mantissaBits) - 1) // seconds, two years
)

// newSpan returns d, rounded up.
func newSpan(d time.Duration) span {
	s := uint64((d + time.Second - 1) / time.Second)
	s = min(s, maxSpan)
	e := max(bits.Len64(s)-mantissaBits, 0)
	m := (s + 1<<e - 1) >> e
	if m == 1<<mantissaBits {
		m, e = m>>1, e+1
	}
	return span(e<<mantissaBits) | span(m)
}

func (s span) seconds() uint32 {
	return uint32(s&(1<<mantissaBits-1)) << (s >> mantissaBits)
}
