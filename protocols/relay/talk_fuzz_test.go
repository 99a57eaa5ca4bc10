package relay

import (
	"bytes"
	"testing"

	"casbah/engine"
)

// FuzzTalk plays what both sides of a session say, as a plan cuts it into turns,
// each turn at once and octet by octet: both sides get the same either way, and
// without Offer what the other side said. Whatever is said, the connection ends
// with one record that counts what passed.
func FuzzTalk(f *testing.F) {
	f.Add([]byte("a STARTTLS\r\na NOOP\r\nb APPEND x {3}\r\nabc\r\n"), []byte("* OK hi\r\n+ go\r\nb OK\r\n"), []byte("\x16\x15\x0b\x30"), byte(0), byte(1))
	f.Add([]byte("a FETCH 1 x\r\n"), []byte("* OK [CAPABILITY IMAP4 STARTTLS]\r\n* 1 FETCH (x {5}\r\nabcde)\r\na OK\r\n"), []byte("\x46\x1b\x30\x40"), byte(0), byte(0))
	f.Add([]byte("CAPA\r\nSTLS\r\nRETR 1\r\nQUIT\r\n"), []byte("+OK hi\r\n+OK\r\nUSER\r\n.\r\n+OK\r\nx\r\n.\r\n+OK\r\n"), []byte("\x10\x0d\x20\x0d\x12"), byte(1), byte(1))
	f.Add([]byte("EHLO x\r\nDATA\r\nabc\r\n.\r\nX-ANONYMOUSTLS\r\n\x16\x03"), []byte("220 hi\r\n250-y\r\n250 AUTH LOGIN\r\n354 go\r\n250\r\n220\r\n\x16"), []byte("\x10\x11\x30\x0d\x0c\x0d"), byte(2), byte(0))
	f.Add([]byte("a LOGIN x y\r\nb NOOP\r\n"), []byte("* OK\r\na OK\r\n* 1 FETCH (X {3}\r\nabc Y {2}\r\nde)\r\nb OK\r\n"), []byte("\x0c\x2b\x4c\x0a"), byte(0), byte(0))
	f.Add([]byte("EHLO x\r\nBDAT 3\r\nabcBDAT 2 LAST\r\ndeNOOP\r\n"), []byte("220 hi\r\n250-y\r\n250 CHUNKING\r\n"), []byte("\x0e\x43\x2c\x0b"), byte(2), byte(0))
	f.Add([]byte("\x16\x03\x01\x02\x00\x01\x0a"), []byte("\x16\x03\x03\x0a\x0a"), []byte("\x03\x03\x02\x05"), byte(0), byte(2))
	f.Fuzz(func(t *testing.T, client, server, plan []byte, protocol, chance byte) {
		if len(plan) > 60 || len(client)+len(server) > 8<<10 {
			return
		}
		p := protocols[int(protocol)%len(protocols)].protocol()
		o := Options{Offer: chance&1 > 0, Require: chance&2 > 0}
		whole, single := newSpoken(t, p, o, chance), newSpoken(t, p, o, chance)
		for _, b := range plan {
			from, text := 1, &server
			if b&1 == 1 {
				from, text = 0, &client
			}
			n := min(int(b>>1)+1, len(*text))
			whole.say(from, (*text)[:n], n)
			single.say(from, (*text)[:n], 1)
			*text = (*text)[n:]
			whole.same(single, o.Offer)
		}
		for _, s := range []*spoken{whole, single} {
			if chance&8 > 0 {
				s.ends(o.Offer, int(chance>>4)&1)
			}
			s.tick(engine.Drain)
			s.tick(engine.Kill)
			s.check()
		}
		whole.same(single, o.Offer)
	})
}

// spoken is a session that is fuzzed.
type spoken struct {
	*fake
	t     *testing.T
	site  *site
	sides [2]*fakeLeg
}

func newSpoken(t *testing.T, p *Protocol, o Options, chance byte) *spoken {
	t.Helper()
	s := newMail(t, p, o)
	s.conn.Secure = chance&4 > 0
	f := s.open(t)
	return &spoken{fake: f, t: t, site: s, sides: [2]*fakeLeg{f.legs[0], f.last}}
}

// say has a side say text in pieces. A handshake that they bring about is over
// behind the last, and has dropped what came meanwhile.
func (s *spoken) say(from int, text []byte, size int) {
	s.manual = true
	for ; len(text) > 0 && s.legs[from] != nil; text = text[min(size, len(text)):] {
		s.sayOctets(s.sides[from], text[:min(size, len(text))])
	}
	s.manual = false
	s.run()
}

// ends has both sides end, the given one first. What was said has passed, if
// nothing is edited.
func (s *spoken) ends(offer bool, first int) {
	for _, i := range []int{first, 1 - first} {
		if s.legs[i] == s.sides[i] {
			s.end(s.sides[i])
		}
	}
	for i, l := range s.sides {
		if other := s.sides[1-i]; !s.over() || !offer && (!bytes.Equal(l.got, other.sent) || !l.gotFin || l.gotRst) {
			s.t.Fatalf("over: %v; leg %d got %q of %q, %+v", s.over(), i, l.got, other.sent, l)
		}
	}
}

// same compares two sessions that were told the same. One that was broken off may
// leave behind what was to move to the server.
func (s *spoken) same(o *spoken, offer bool) {
	s.t.Helper()
	for i := range s.sides {
		a, b := s.sides[i], o.sides[i]
		cut := i == 1 && s.over() && (bytes.HasPrefix(a.got, b.got) || bytes.HasPrefix(b.got, a.got))
		if !cut && !bytes.Equal(a.got, b.got) || a.tls != b.tls || a.gotFin != b.gotFin || a.gotRst != b.gotRst {
			s.t.Fatalf("leg %d got %q, and octet by octet %q; %+v, %+v", i, a.got, b.got, a, b)
		}
		if other := s.sides[1-i]; !offer && !s.over() && !bytes.Equal(a.got, other.sent) {
			s.t.Fatalf("leg %d got %q of %q", i, a.got, other.sent)
		}
		if !offer && s.sides[1-i].tls {
			s.t.Fatal("TLS ends here")
		}
	}
	if a, b := s.site.vip.Counters.Injections.Load(), o.site.vip.Counters.Injections.Load(); a != b {
		s.t.Fatalf("%d injections, and octet by octet %d", a, b)
	}
}

// check holds a session that is over to its promises.
func (s *spoken) check() {
	s.t.Helper()
	if !s.over() || s.legs[1] != nil || len(s.site.records) != 1 {
		s.t.Fatalf("over: %v, server %+v, %d records", s.over(), s.legs[1], len(s.site.records))
	}
	r, c := &s.site.records[0], s.site.vip.Counters
	if r.In != int64(len(s.sides[1].got)) || r.Out != int64(len(s.sides[0].got)) || c.In.Load() != uint64(r.In) || c.Out.Load() != uint64(r.Out) {
		s.t.Fatalf("record %d in, %d out; counted %d, %d; the sides got %d, %d", r.In, r.Out, c.In.Load(), c.Out.Load(), len(s.sides[1].got), len(s.sides[0].got))
	}
}
