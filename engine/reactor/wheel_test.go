//go:build linux

package reactor

import (
	"testing"

	"pgregory.net/rapid"
)

// A connection is swept within a slot of its deadline, never before it, and
// only earlier than that at the end of the wheel; the loop is told to wake in
// time for it.
func TestWheel(t *testing.T) {
	const slot = int64(1) << slotBits
	rapid.Check(t, func(t *rapid.T) {
		now := rapid.Int64Range(0, 1<<40).Draw(t, "start")
		w := &wheel{tick: now >> slotBits}
		due := map[*conn]int64{} // the deadline of each that is armed
		lag := int64(0)
		armed := map[*conn]int64{} // and since when
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			for range rapid.IntRange(0, 4).Draw(t, "armed") {
				c := new(conn)
				due[c] = now + rapid.Int64Range(0, 3*slots*slot).Draw(t, "in")
				w.arm(c, due[c])
				armed[c] = now
			}
			for c := range due { // a deadline that comes nearer moves, one that goes away does not
				if rapid.Bool().Draw(t, "again") {
					w.arm(c, due[c]+slot)
				}
				break
			}
			wait := int64(w.wait(now))
			if (wait < 0) != (len(due) == 0) {
				t.Fatalf("wait = %d with %d armed", wait, len(due))
			}
			step := rapid.Int64Range(0, 2*slots*slot).Draw(t, "step")
			if wait >= 0 && rapid.Bool().Draw(t, "sleep") {
				step = wait
			}
			now += step
			lag = max(lag, step) // a sweep that comes late has slots to make up for
			swept := 0
			w.sweep(now, func(c *conn) {
				swept++
				at, ok := due[c]
				if !ok {
					t.Fatal("swept twice")
				}
				delete(due, c)
				if now >= at {
					return
				}
				if now-armed[c] < (slots-2)*slot-lag {
					t.Fatalf("swept %d ns early, %d ns after it was armed", at-now, now-armed[c])
				}
				due[c], armed[c] = at, now
				w.arm(c, at)
			})
			if step == wait && swept == 0 {
				t.Fatalf("nothing is due after the wait of %d", wait)
			}
			for c, at := range due {
				if at+slot <= now {
					t.Fatalf("%d ns late", now-at)
				}
				if c.tick == 0 {
					t.Fatal("off the wheel")
				}
			}
		}
		for c := range due {
			w.remove(c)
			delete(due, c)
		}
		if w.wait(now) >= 0 {
			t.Fatal("an empty wheel wakes the loop")
		}
	})
}
