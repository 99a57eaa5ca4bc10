package enginetest

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"casbah/balance"
	"casbah/engine"
)

// parks returns what becomes of connections to servers that are parked.
func parks() []behaviour {
	return []behaviour{
		{"park-reuse", parkReuse, alone},
		{"park-for-another-client", parkForAnother, alone},
		{"park-for-one-endpoint", parkForOne, alone},
		{"park-dropped", parkDropped, alone},
		{"park-race", parkRace, alone},
		{"park-part-of-record", parkPartOfRecord, alone},
		{"park-refused", parkRefused, alone},
		{"park-until-drain", parkUntilDrain, alone},
	}
}

// borrower sends each request to e and parks the leg after the answer, both of
// one octet. A dial that fails is answered by !, a leg that ends by ?.
func borrower(e *balance.Endpoint, reused *atomic.Int64) engine.NewCore {
	return func(engine.Conn) engine.Core {
		var request []byte
		return &Toy{
			OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				if l == engine.Client {
					request = append(request[:0], p[0])
					d.Dial(e, true)
					return 1
				}
				d.Send(engine.Client, p[:1])
				d.Close(l, engine.Park)
				return 1
			},
			OnDialed: func(l engine.Leg, again bool, err error, d engine.Driver) {
				if err != nil {
					d.Send(engine.Client, []byte("!"))
					return
				}
				if again {
					reused.Add(1)
				}
				d.Send(l, request)
			},
			OnEnd: func(l engine.Leg, _ error, d engine.Driver) {
				if l != engine.Client {
					d.Send(engine.Client, []byte("?"))
				}
				d.Close(l, engine.Flush)
			},
		}
	}
}

// lender is a server that echoes and keeps its connections.
type lender struct {
	mu    sync.Mutex // guards the field below
	conns []*lent
}

// lent is a connection of a lender.
type lent struct {
	net.Conn
	over chan struct{} // closed when its client has closed it
}

func (s *lender) handle(nc net.Conn) {
	c := &lent{nc, make(chan struct{})}
	s.mu.Lock()
	s.conns = append(s.conns, c)
	s.mu.Unlock()
	_, _ = io.Copy(nc, nc)
	close(c.over)
}

func (s *lender) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// last returns the connection that was accepted last.
func (s *lender) last() *lent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[len(s.conns)-1]
}

// ask makes n round trips of one octet.
func ask(tb testing.TB, nc net.Conn, n int) {
	tb.Helper()
	for i := range n {
		octet := string(rune('a' + i%26))
		Send(tb, nc, octet)
		Expect(tb, nc, octet)
	}
}

// withLender runs f with a plain lender and one of TLS, and an engine of
// borrowers from it.
func (t *trial) withLender(f func(t *trial, s *served, from *lender, reused *atomic.Int64)) {
	t.Helper()
	for _, secure := range []bool{false, true} {
		t.run(fmt.Sprintf("upstream-tls=%v", secure), func(t *trial) {
			var from lender
			var reused atomic.Int64
			up := Upstream(t, secure, from.handle)
			s := t.start(engine.Config{}, &engine.Listener{New: borrower(up, &reused)})
			f(t, s, &from, &reused)
		})
	}
}

// parkReuse serves requests of a client over connections that were parked. A
// few may come too early: the driver can be at the end of its write yet when
// the answer is there.
func parkReuse(t *trial) {
	const clients, requests = 3, 10
	t.withLender(func(t *trial, s *served, from *lender, reused *atomic.Int64) {
		for range clients {
			nc := Dial(t, s.at)
			ask(t, nc, requests)
			_ = nc.Close()
		}
		made, again := from.count(), int(reused.Load())
		if made+again != clients*requests || again < made {
			t.Errorf("%d connections, reused %d times; want %d together, and most of them reused", made, again, clients*requests)
		}
	})
}

// parkForAnother hands a connection on to another client. A driver may keep
// parked connections for a part of its clients.
func parkForAnother(t *trial) {
	t.withLender(func(t *trial, s *served, _ *lender, reused *atomic.Int64) {
		for range 100 {
			nc := Dial(t, s.at)
			ask(t, nc, 1)
			_ = nc.Close()
			if reused.Load() > 0 {
				return
			}
		}
		t.Error("none of 100 clients got a connection that another had parked")
	})
}

// parkForOne hands a connection out for the endpoint for which it was parked,
// and only if that is asked for.
func parkForOne(t *trial) {
	var servers [2]lender
	ups := [2]*balance.Endpoint{Upstream(t, false, servers[0].handle), Upstream(t, false, servers[1].handle)}
	kind := "new"
	core := &Toy{
		OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
			if l == engine.Client {
				d.Dial(ups[p[0]&1], p[0] < 'a') // upper case: reuse
				return 1
			}
			d.Send(engine.Client, []byte(kind))
			d.Close(l, engine.Park)
			return len(p)
		},
		OnDialed: func(l engine.Leg, reused bool, err error, d engine.Driver) {
			if err != nil {
				t.Errorf("Dialed(%v)", err)
			}
			if reused {
				kind = "old"
			}
			d.Send(l, []byte("x"))
		},
	}
	s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
	nc := Dial(t, s.at)
	for _, octet := range []string{"B", "A", "b", "a"} {
		Send(t, nc, octet)
		Expect(t, nc, "new")
	}
	if a, b := servers[0].count(), servers[1].count(); a != 2 || b != 2 {
		t.Errorf("the servers got %d and %d connections; want 2, 2", a, b)
	}
}

// rawConn returns the socket of nc, below TLS if there is any.
func rawConn(nc net.Conn) net.Conn {
	if c, ok := nc.(*lent); ok {
		nc = c.Conn
	}
	if over, ok := nc.(*tls.Conn); ok {
		return over.NetConn()
	}
	return nc
}

// parkDropped drops a parked connection whose server closes it or speaks, at
// once, and never shows its octets to anybody.
func parkDropped(t *trial) {
	for name, spoil := range map[string]func(*lent){
		"fin":     func(c *lent) { closeWrite(rawConn(c)) },
		"goodbye": func(c *lent) { closeWrite(c.Conn) },
		"octets":  func(c *lent) { _, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
	} {
		t.run(name, func(t *trial) {
			t.withLender(func(t *trial, s *served, from *lender, reused *atomic.Int64) {
				nc := Dial(t, s.at)
				ask(t, nc, 1)
				spoiled := from.last()
				spoil(spoiled)
				Receive(t, spoiled.over, "end of the connection that was spoiled")
				ask(t, nc, 1)
				if got := from.count(); got != 2 || reused.Load() != 0 {
					t.Errorf("%d connections, reused %d times; want 2, 0", got, reused.Load())
				}
				ask(t, nc, 5)
			})
		})
	}
}

// parkRace spoils connections just before they are reused: what came before the
// hand-over ends the leg, and is never taken for an answer.
func parkRace(t *trial) {
	t.withLender(func(t *trial, s *served, from *lender, _ *atomic.Int64) {
		nc := Dial(t, s.at)
		got := make([]byte, 1)
		for i := range 100 {
			ask(t, nc, 1)
			last := from.last()
			_, _ = io.WriteString(last, "#")
			delivered(last.Conn)
			Send(t, nc, "a")
			if _, err := io.ReadFull(nc, got); err != nil {
				t.Fatal(err)
			}
			if got[0] != 'a' {
				t.Fatalf("request %d was answered by %q; want %q", i, got, "a")
			}
		}
	})
}

// gatherer is a connection that keeps what is written, once told.
type gatherer struct {
	net.Conn
	on  bool
	out []byte
}

func (g *gatherer) Write(p []byte) (int, error) {
	if !g.on {
		return g.Conn.Write(p)
	}
	g.out = append(g.out, p...)
	return len(p), nil
}

// parkPartOfRecord parks a connection on which a part of a TLS record has come:
// the rest would be taken for an answer to the next request.
func parkPartOfRecord(t *trial) {
	const part = 7 // the header and a little
	up := Upstream(t, false, func(raw net.Conn) {
		g := &gatherer{Conn: raw}
		nc := tls.Server(g, ServerTLS())
		request := make([]byte, 1)
		if _, err := nc.Read(request); err != nil {
			return
		}
		g.on = true
		_, _ = nc.Write(request)
		whole := len(g.out)
		_, _ = nc.Write([]byte("#"))
		_, _ = raw.Write(g.out[:whole+part])
		if n, _ := nc.Read(request); n > 0 {
			_, _ = raw.Write(g.out[whole+part:])
		}
		Discard(raw)
	})
	up.TLS = ClientTLS()
	var reused atomic.Int64
	s := t.start(engine.Config{}, &engine.Listener{New: borrower(up, &reused)})
	ask(t, Dial(t, s.at), 10)
}

// parkRefused closes what cannot be reused.
func parkRefused(t *trial) {
	tests := []struct {
		name   string
		answer string
		before func(d engine.Driver, l engine.Leg)
		got    string // by the server
	}{
		{"unread", "abc", func(engine.Driver, engine.Leg) {}, ""},
		{"half", "a", func(d engine.Driver, l engine.Leg) { d.Close(l, engine.Half) }, ""},
		{"unsent", "a", func(d engine.Driver, l engine.Leg) { d.Send(l, []byte("tail")) }, "tail"},
	}
	for _, tt := range tests {
		t.run(tt.name, func(t *trial) {
			got := make(chan string, 1)
			up := Upstream(t, false, func(nc net.Conn) {
				_, _ = io.WriteString(nc, tt.answer)
				p, err := io.ReadAll(nc)
				got <- fmt.Sprintf("%q, %v", p, err)
			})
			core := &Toy{OnBytes: func(l engine.Leg, p []byte, d engine.Driver) int {
				if l == engine.Client {
					d.Dial(up, true)
					return len(p)
				}
				if len(p) < len(tt.answer) {
					return 0
				}
				tt.before(d, l)
				d.Close(l, engine.Park)
				return 1
			}}
			s := t.start(engine.Config{}, &engine.Listener{New: Fixed(core)})
			Send(t, Dial(t, s.at), "x")
			if got, want := Receive(t, got, "end of the connection"), fmt.Sprintf("%q, <nil>", tt.got); got != want {
				t.Errorf("the server read %s; want %s", got, want)
			}
		})
	}
}

// parkUntilDrain closes parked connections on Drain, and parks none after that.
func parkUntilDrain(t *trial) {
	t.withLender(func(t *trial, s *served, from *lender, reused *atomic.Int64) {
		nc := Dial(t, s.at)
		ask(t, nc, 1)
		parked := from.last()
		s.Drain()
		Receive(t, parked.over, "end of the parked connection")
		before := reused.Load()
		for range 2 {
			ask(t, nc, 1)
			Receive(t, from.last().over, "end of a connection that was to be parked")
		}
		if reused.Load() != before {
			t.Error("a connection was reused after Drain")
		}
	})
}
