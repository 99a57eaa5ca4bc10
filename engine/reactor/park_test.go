//go:build linux

package reactor

import (
	"crypto/tls"
	"io"
	"net"
	"testing"

	"casbah/balance"
	"casbah/engine"
	"casbah/engine/bounds"
	"casbah/engine/enginetest"
)

// hoard is a core that dials some connections to an endpoint when its client says
// so, parks them all when they are there, and answers.
func hoard(n int, to func() *balance.Endpoint) engine.NewCore {
	return func(engine.Conn) engine.Core {
		var legs []engine.Leg
		return &enginetest.Toy{
			OnBytes: func(_ engine.Leg, p []byte, d engine.Driver) int {
				for range n {
					d.Dial(to(), false)
				}
				return len(p)
			},
			OnDialed: func(l engine.Leg, _ bool, err error, d engine.Driver) {
				if legs = append(legs, l); len(legs) < n || err != nil {
					return
				}
				for _, l := range legs {
					d.Close(l, engine.Park)
				}
				legs = legs[:0]
				d.Send(engine.Client, []byte("parked"))
			},
		}
	}
}

// parks has r's core park what it parks, and lets its client go.
func (r *rig) parks() {
	r.t.Helper()
	nc := enginetest.Dial(r.t, r.at)
	enginetest.Send(r.t, nc, "x")
	enginetest.Expect(r.t, nc, "parked")
	_ = nc.Close()
	enginetest.Wait(r.t, r)
}

// A shelf has bounds: by number, for each endpoint on its own; the rest is closed.
func TestShelfHasALimit(t *testing.T) {
	const each = 200
	up, other := enginetest.Upstream(t, false, enginetest.Discard), enginetest.Upstream(t, false, enginetest.Discard)
	to := up
	r := newRig(t, &engine.Listener{New: hoard(each, func() *balance.Endpoint { return to })})
	for parked := each; parked < bounds.Parked+2*each; parked += each {
		r.parks()
		r.wantLegs(min(parked, bounds.Parked), min(parked, bounds.Parked))
	}
	r.on(func(*loop) { to = other })
	r.parks()
	r.wantLegs(bounds.Parked+each, bounds.Parked+each)
	r.on(func(lp *loop) {
		if a, b := lp.shelves[up].n, lp.shelves[other].n; a != bounds.Parked || b != each {
			t.Errorf("the shelves hold %d and %d; want %d and %d", a, b, bounds.Parked, each)
		}
	})
	r.Drain()
	r.wantLegs(0, 0)
}

// A connection is parked for bounds.ParkTime, and for a quarter more at most; a shelf
// that is empty is forgotten.
func TestShelfHasATime(t *testing.T) {
	up := enginetest.Upstream(t, false, enginetest.Discard)
	r := newRig(t, &engine.Listener{New: hoard(3, func() *balance.Endpoint { return up })})
	r.parks()
	r.pass(bounds.ParkTime / 2)
	r.parks()
	r.wantLegs(6, 6)
	r.pass(bounds.ParkTime/2 - slot)
	r.wantLegs(6, 6)
	r.pass(bounds.ParkTime/4 + 2*slot)
	r.wantLegs(3, 3)
	r.pass(bounds.ParkTime / 2)
	r.wantLegs(0, 0)
	r.on(func(lp *loop) {
		if len(lp.shelves) != 0 {
			t.Errorf("%d shelves are kept; want none", len(lp.shelves))
		}
	})
}

// A parked connection whose peer speaks or closes is dropped at once, and no
// other.
func TestShelfDropsWhoMoves(t *testing.T) {
	for name, moves := range map[string]func(net.Conn){
		"speaks": func(nc net.Conn) { _, _ = io.WriteString(nc, "x") },
		"closes": func(nc net.Conn) { _ = nc.Close() },
		"shuts":  func(nc net.Conn) { _ = nc.(*net.TCPConn).CloseWrite() },
		"resets": func(nc net.Conn) { _ = nc.(*net.TCPConn).SetLinger(0); _ = nc.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			peers := make(chan net.Conn, 3)
			up := enginetest.Upstream(t, false, func(nc net.Conn) {
				peers <- nc
				enginetest.Discard(nc)
			})
			r := newRig(t, &engine.Listener{New: hoard(3, func() *balance.Endpoint { return up })})
			r.parks()
			for left := 2; left >= 0; left-- {
				moves(enginetest.Receive(t, peers, "connection of the server"))
				r.wantLegs(left, left)
			}
			r.on(func(lp *loop) {
				if s := lp.shelves[up]; s != nil && (s.n != 0 || s.first != nil) {
					t.Errorf("the shelf holds %d", s.n)
				}
			})
		})
	}
}

// Octets behind the last answer, of which TLS still holds some when its leg is
// parked, are nobody's: the connection is closed.
func TestLegWithDecryptedOctetsIsNotParked(t *testing.T) {
	const first = "answer"
	room := classes[0].size - len(first) // of the read behind what the core leaves
	for name, extra := range map[string]int{"all": 0, "rest-of-a-record": 7} {
		t.Run(name, func(t *testing.T) {
			goOn := make(chan struct{})
			cfg := enginetest.ServerTLS()
			cfg.DynamicRecordSizingDisabled = true // one record for each write
			up := enginetest.Upstream(t, false, func(raw net.Conn) {
				nc := tls.Server(raw, cfg)
				_, _ = nc.Write([]byte(first))
				<-goOn
				_, _ = nc.Write(make([]byte, room+extra))
				enginetest.Discard(nc)
			})
			up.TLS = enginetest.ClientTLS()
			core := &enginetest.Toy{
				OnOpen: func(_ int64, d engine.Driver) { d.Dial(up, false) },
				OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
					switch {
					case l == engine.Client:
						return len(p)
					case len(p) == len(first):
						close(goOn)
						return 0
					case len(p) != classes[0].size:
						t.Errorf("%d octets were read; want %d", len(p), classes[0].size)
					}
					d.Close(l, engine.Park)
					return len(p)
				},
			}
			r := newRig(t, &engine.Listener{New: enginetest.Fixed(core)})
			enginetest.Dial(t, r.at)
			if extra == 0 {
				enginetest.Becomes(t, "parked legs", func() int { _, n := r.legs(); return n }, 1)
				return
			}
			r.wantLegs(1, 0)
		})
	}
}

// A queue that somebody is always in does not grow.
func TestQueueMakesRoom(t *testing.T) {
	var q queue
	legs := make([]leg, 5)
	for i := range legs {
		q.push(&legs[i])
	}
	for i := range 10000 {
		l := q.pop()
		if want := &legs[i%len(legs)]; l != want {
			t.Fatalf("turn %d is another's", i)
		}
		q.push(l)
	}
	if n := cap(q.legs); n > 4*len(legs) {
		t.Errorf("it has room for %d", n)
	}
}
