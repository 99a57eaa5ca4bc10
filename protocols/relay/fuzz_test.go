package relay

import (
	"bytes"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/persistence"
	"casbah/route"
)

// FuzzRelay plays any order of events. Whatever happens, each side gets what the
// other said, in order and from the start; ends are passed on behind it and not
// without cause; and a connection that is over left nothing open or uncounted.
func FuzzRelay(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x02\x10\x03"))     // talk, then both end
	f.Add([]byte("\x06\x00\x02\x07\x01\x03"))     // the client ends during the dial
	f.Add([]byte("\x06\x0a\x08\x08"))             // nobody can be reached
	f.Add([]byte("\x00\x01\x05"))                 // the server resets
	f.Add([]byte("\x09\x00\x09\x01\x09\x09\x04")) // time passes
	f.Add([]byte("\x00\x0b\x01\x0c"))             // drain, kill
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 200 {
			return
		}
		g := &game{t: t, site: newSite(t, persistence.Step{By: persistence.SourceIP})}
		g.fake = newFake(t, &g.site.cur, g.site.conn)
		g.client = g.legs[0]
		g.refuse = func(*balance.Endpoint) bool { return g.refuses }
		for i, op := range script {
			g.play(i, op)
			g.check()
			if g.over() {
				return
			}
		}
		g.tick(engine.Kill)
		if !g.over() {
			t.Fatal("open after Kill")
		}
		g.check()
	})
}

// game is one connection that is fuzzed.
type game struct {
	*fake
	t       *testing.T
	site    *site
	client  *fakeLeg
	opened  bool
	refuses bool
	idle    int64 // since when no octet was said
}

// play carries out one event.
func (g *game) play(i int, op byte) {
	if !g.opened {
		g.opened, g.manual = true, op&0x06 == 0x06
		g.open()
		g.idle = g.now
		return
	}
	text := string(bytes.Repeat([]byte{byte('a' + i%26)}, 1+int(op>>4)))
	switch server := g.last; op % 14 {
	case 0:
		g.saying(g.client, text)
	case 1:
		g.saying(server, text)
	case 2:
		g.end(g.client)
	case 3:
		g.ending(server, g.end)
	case 4:
		g.reset(g.client)
	case 5:
		g.ending(server, g.reset)
	case 6:
		g.manual = !g.manual
		g.run()
	case 7:
		g.manual = false
		g.run()
	case 8:
		g.refuses = !g.refuses
	case 9:
		g.pass(time.Duration(op) * time.Second)
	case 10:
		state := balance.Down
		if op&0x10 != 0 {
			state = balance.Up
		}
		g.site.services[int(op>>5)%2].SetState(time.Unix(0, g.now), state)
	case 11:
		g.tick(engine.Drain)
	case 12:
		g.tick(engine.Kill)
	case 13:
		g.site.order(g.fake, balance.Order{Kind: balance.OrderKind(op>>4) % 4, Close: g.now + int64(10*time.Second)})
	}
}

// saying has a peer that may still speak say something.
func (g *game) saying(l *fakeLeg, text string) {
	if l != nil && !l.fin && !l.dialling && g.legs[l.id] == l {
		g.idle = g.now
		g.say(l, text)
	}
}

// ending ends the server's side, if it is there.
func (g *game) ending(l *fakeLeg, how func(*fakeLeg)) {
	if l != nil && !l.dialling && g.legs[l.id] == l {
		how(l)
	}
}

// check holds the connection to its promises.
func (g *game) check() {
	g.t.Helper()
	server := g.last
	if server == nil {
		server = &fakeLeg{}
	}
	g.direction(g.client, server)
	g.direction(server, g.client)
	active := g.site.services[0].Active.Load() + g.site.services[1].Active.Load()
	idleTime := int64(g.site.profile.IdleTimeout)
	switch {
	case !g.over():
		if len(g.site.records) > 0 || active != 1 {
			g.t.Fatalf("open, with %d records and %d counted as open", len(g.site.records), active)
		}
		if server.dialling {
			g.idle = g.now // the driver bounds that time
			return
		}
		if g.wake <= g.now || g.wake > g.now+touchEvery {
			g.t.Fatalf("the next deadline is in %v", time.Duration(g.wake-g.now))
		}
		if g.now-g.idle > idleTime+touchEvery {
			g.t.Fatalf("open after %v of silence", time.Duration(g.now-g.idle))
		}
	case len(g.site.records) != 1 || active != 0 || g.legs[1] != nil:
		g.t.Fatalf("over, with %d records, %d counted as open, server %+v", len(g.site.records), active, g.legs[1])
	default:
		g.checkRecord(&g.site.records[0], server)
	}
}

// direction checks what to got of from.
func (g *game) direction(from, to *fakeLeg) {
	g.t.Helper()
	if !bytes.HasPrefix(from.sent, to.got) {
		g.t.Fatalf("leg %d said %q, the other side got %q", from.id, from.sent, to.got)
	}
	if to.gotFin && (!from.fin || len(to.got) != len(from.sent)) {
		g.t.Fatalf("leg %d got a FIN behind %q; the other side said %q, ended %v", to.id, to.got, from.sent, from.fin)
	}
}

// checkRecord compares the record of a connection that is over with what was seen.
func (g *game) checkRecord(r *route.Record, server *fakeLeg) {
	g.t.Helper()
	if r.In != int64(len(server.got)) || r.Out != int64(len(g.client.got)) {
		g.t.Fatalf("record %d in, %d out; want %d, %d", r.In, r.Out, len(server.got), len(g.client.got))
	}
	c := g.site.vip.Counters
	if c.In.Load() != uint64(r.In) || c.Out.Load() != uint64(r.Out) || c.Ends[r.End].Load() != 1 {
		g.t.Fatalf("counted %d in, %d out, %d of %v", c.In.Load(), c.Out.Load(), c.Ends[r.End].Load(), r.End)
	}
	done := g.client.finTold && server.finTold && !g.client.gone && !server.gone
	if (r.End == route.EndDone) != (done && !g.client.gotRst && !server.gotRst) {
		g.t.Fatalf("ended %v; client %+v, server %+v", r.End, g.client, server)
	}
	if r.End == route.EndIdle && g.now-g.idle < int64(g.site.profile.IdleTimeout) {
		g.t.Fatalf("idle after %v", time.Duration(g.now-g.idle))
	}
}
