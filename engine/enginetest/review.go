package enginetest

import (
	"sync/atomic"

	"casbah/engine"
)

// reviews returns what cores and parked connections hear of a review.
func reviews() []behaviour {
	return []behaviour{
		{"review-tells", reviewTells, alone},
		{"review-parked", reviewParked, alone},
	}
}

// reviewTells tells every core, each time, and ends nothing: connections go on, and
// new ones are taken.
func reviewTells(t *trial) {
	t.inModes(func(t *trial, m mode) {
		const n = 5
		var told, others atomic.Int64
		s := t.start(engine.Config{}, m.listener(func(engine.Conn) engine.Core {
			return &Toy{
				OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
					d.Send(l, p)
					return len(p)
				},
				OnTick: func(_ int64, why engine.Cause, d engine.Driver) {
					switch why {
					case engine.Woken:
						told.Add(1)
						d.Send(engine.Client, []byte("!"))
					case engine.Drain, engine.Kill:
						others.Add(1)
					default:
					}
				},
			}
		}))
		var all []client
		for round := range 2 {
			for range n {
				nc := m.dial(t, s.at)
				Send(t, nc, "x")
				Expect(t, nc, "x")
				all = append(all, nc)
			}
			s.Review()
			for _, nc := range all {
				Expect(t, nc, "!")
				Send(t, nc, "y")
				Expect(t, nc, "y")
			}
			if want := int64(n*round + n*(round+1)); told.Load() != want || others.Load() != 0 || s.Open() != len(all) {
				t.Errorf("%d were told and %d of something else, %d are open; want %d, none, %d", told.Load(), others.Load(), s.Open(), want, len(all))
			}
		}
		for _, nc := range all {
			_ = nc.CloseWrite()
			ExpectEnd(t, nc)
			_ = nc.Close()
		}
		Wait(t, s)
	})
}

// reviewParked closes what is parked at that time; others are parked after it.
func reviewParked(t *trial) {
	t.withLender(func(t *trial, s *served, from *lender, reused *atomic.Int64) {
		nc := Dial(t, s.at)
		ask(t, nc, 1)
		parked := from.last()
		s.Review()
		Receive(t, parked.over, "end of the parked connection")
		before := reused.Load()
		for range 100 {
			if ask(t, nc, 1); reused.Load() > before {
				return
			}
		}
		t.Error("nothing is parked after a review")
	})
}
