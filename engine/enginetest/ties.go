package enginetest

import (
	"fmt"
	"sync/atomic"

	"casbah/engine"
)

// ties returns whose connections to servers are.
func ties() []behaviour {
	return []behaviour{
		{"tie-first-owner", tieFirstOwner, alone},
		{"tie-not-parked", tieNotParked, alone},
		{"tie-of-the-connection", tieOfTheConnection, alone},
	}
}

// tied is a server, and a core that dials it for each octet of its client, with reuse
// and has on do what it will with the leg before it is closed by Park; what on says is
// the answer.
func (t *trial) tied(on func(l engine.Leg, d engine.Driver) string) (*served, *lender) {
	t.Helper()
	var from lender
	up := Upstream(t, false, from.handle)
	s := t.start(engine.Config{}, &engine.Listener{New: func(engine.Conn) engine.Core {
		return &Toy{
			OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				if l == engine.Client {
					d.Dial(up, true)
					return 1
				}
				return len(p)
			},
			OnDialed: func(l engine.Leg, again bool, err error, d engine.Driver) {
				if err != nil {
					d.Send(engine.Client, []byte("!"))
					return
				}
				said := on(l, d)
				d.Close(l, engine.Park)
				d.Send(engine.Client, []byte(said))
			},
			OnEnd: func(l engine.Leg, _ error, d engine.Driver) { d.Close(l, engine.Flush) },
		}
	}})
	return s, &from
}

// A connection keeps its first owner, whoever comes later, and who only asks changes
// nothing; so do a leg that is not there and one that is closed.
func tieFirstOwner(t *trial) {
	s, _ := t.tied(func(l engine.Leg, d engine.Driver) string {
		said := fmt.Sprint(d.Tie(l, 0), d.Tie(l, 7), d.Tie(l, 8), d.Tie(l, 0), d.Tie(l+5, 9), d.Tie(l+5, 0))
		d.Close(l, engine.Reset)
		return said + fmt.Sprint(" ", d.Tie(l, 7))
	})
	nc := Dial(t, s.at)
	Send(t, nc, "x")
	Expect(t, nc, "0 0 7 7 0 0 0")
}

// What is tied is not parked: its server sees the end, and the next dial is a new
// connection. What is not tied is parked, and nobody's when it comes back.
func tieNotParked(t *trial) {
	var number atomic.Uint64
	s, from := t.tied(func(l engine.Leg, d engine.Driver) string {
		n := number.Add(1)
		if n > 2 {
			d.Tie(l, n)
		}
		return fmt.Sprint(d.Tie(l, 0))
	})
	nc := Dial(t, s.at)
	for _, want := range []struct {
		owner string
		conns int
	}{{"0", 1}, {"0", 1}, {"3", 1}, {"4", 2}, {"5", 3}} {
		Send(t, nc, "x")
		Expect(t, nc, want.owner)
		Becomes(t, "connections to the server", from.count, want.conns)
		if want.owner != "0" {
			Receive(t, from.last().over, "the end of a tied connection")
		}
	}
}

// The tie is of the connection, not of its number: another leg of that number is free.
func tieOfTheConnection(t *trial) {
	var number atomic.Uint64
	s, _ := t.tied(func(l engine.Leg, d engine.Driver) string {
		before := d.Tie(l, number.Add(1))
		d.Close(l, engine.Reset)
		return fmt.Sprint(l, before)
	})
	nc := Dial(t, s.at)
	for range 3 {
		Send(t, nc, "x")
		Expect(t, nc, "1 0")
	}
}
