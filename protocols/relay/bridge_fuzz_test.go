package relay

import (
	"bytes"
	"testing"
	"time"

	"casbah/balance"
	"casbah/engine"
	"casbah/internal/hello/hellotest"
	"casbah/persistence"
	"casbah/route"
)

// FuzzBridge plays any octets of both sides, in any pieces, and any end. Each side
// gets what the other said, in order and from the start, and the client else an
// alert alone; the connection leaves nothing open or uncounted.
func FuzzBridge(f *testing.F) {
	f.Add(greeting, flight, []byte("\x08\x10\x21\x30\x02\x03"))
	f.Add(hellotest.Records(hellotest.Client(session), 5), one(hellotest.Server(session, hellotest.Selects())), []byte("\x10\x10\x11\x21\x04"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 400"), []byte("\x10"))
	f.Add(greeting, []byte("\x15\x03\x03\x00\x02\x02\x28"), []byte("\xf0\xf0\xf1\x03\x02"))
	f.Add(greeting[:30], []byte{}, []byte("\xf0\x06\x06"))
	f.Fuzz(func(t *testing.T, up, down, script []byte) {
		if len(script) > 100 || len(up)+len(down) > 40<<10 {
			return
		}
		s := newBridge(t, persistence.SourceIP, persistence.SSLID)
		routed := *s.profile // of the same servers, by name
		s.vip.Profiles, s.vip.Routes = append(s.vip.Profiles, &routed), map[string]*route.Profile{"mail.example.org": &routed}
		g := s.open(t)
		client := g.legs[0]
		var server *fakeLeg
		g.refuse = func(e *balance.Endpoint) bool { return e.Name == "cas2" }
		for _, op := range script {
			n := int(op>>3) * int(op>>3)
			if server = g.last; server == nil || server.dialling {
				server = &fakeLeg{}
			}
			switch live := g.legs[1] == server; op & 7 {
			case 0:
				if !client.fin {
					g.sayOctets(client, up[:min(n, len(up))])
					up = up[min(n, len(up)):]
				}
			case 1:
				if live && !server.fin {
					g.sayOctets(server, down[:min(n, len(down))])
					down = down[min(n, len(down)):]
				}
			case 2:
				g.end(client)
			case 3:
				if live {
					g.end(server)
				}
			case 4:
				g.reset(client)
			case 5:
				if live {
					g.reset(server)
				}
			case 6:
				g.pass(time.Duration(n) * time.Second)
			case 7:
				g.manual = !g.manual
				g.run()
			}
			checkBridge(t, s, g, client)
			if g.over() {
				return
			}
		}
		g.tick(engine.Kill)
		if !g.over() {
			t.Fatal("open after Kill")
		}
		checkBridge(t, s, g, client)
	})
}

// checkBridge holds a connection to its promises.
func checkBridge(t *testing.T, s *site, g *fake, client *fakeLeg) {
	t.Helper()
	server := g.last
	if server == nil {
		server = &fakeLeg{}
	}
	if !bytes.HasPrefix(client.sent, server.got) {
		t.Fatalf("the client said %x, the server got %x", client.sent, server.got)
	}
	refused := s.vip.Counters.Ends[route.EndRefused].Load() == 1
	if refused != (server.id == 0 && len(client.got) > 0) || !refused && !bytes.HasPrefix(server.sent, client.got) {
		t.Fatalf("the server said %x, the client got %x; refused: %v", server.sent, client.got, refused)
	}
	if refused && (len(client.got) != 7 || client.got[0] != 21) {
		t.Fatalf("refused by %x", client.got)
	}
	if server.gotFin && (!client.fin || len(server.got) != len(client.sent)) {
		t.Fatalf("the server got a FIN behind %x of %x", server.got, client.sent)
	}
	if client.gotFin && server.id != 0 && (!server.fin || len(client.got) != len(server.sent)) {
		t.Fatalf("the client got a FIN behind %x of %x", client.got, server.sent)
	}
	var active int64
	for _, svc := range s.services {
		active += svc.Active.Load()
	}
	switch {
	case !g.over() && (len(s.records) > 0 || g.legs[1] == nil && active != 0 || g.legs[1] != nil && active != 1):
		t.Fatalf("open, with %d records and %d counted as open", len(s.records), active)
	case g.over() && (len(s.records) != 1 || active != 0 || g.legs[1] != nil):
		t.Fatalf("over, with %d records, %d counted as open", len(s.records), active)
	case g.over():
		out := int64(len(client.got))
		if refused {
			out = 0
		}
		if r := &s.records[0]; r.In != int64(len(server.got)) || r.Out != out || s.vip.Counters.In.Load() != uint64(r.In) || s.vip.Counters.Out.Load() != uint64(out) {
			t.Fatalf("record %d in, %d out; want %d, %d", r.In, r.Out, len(server.got), out)
		}
	}
}
