package relay

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"casbah/balance"
	"casbah/engine"
	"casbah/route"
)

// newMail makes a VIP of a protocol of mail.
func newMail(tb testing.TB, p *Protocol, o Options) *site {
	tb.Helper()
	s := newSite(tb)
	s.cur.Store(&VIP{VIP: s.vip, Speaks: p, Options: o})
	return s
}

var offers = Options{Offer: true}

// protocols are those of mail, with what a session of each says.
var protocols = []struct {
	name                            string
	protocol                        func() *Protocol
	greeting, ask, begin            string
	first, response, farewell, idle string
}{
	{"imap4", IMAP4, "* OK ready\r\n", "a STARTTLS\r\n", "a OK Begin TLS negotiation now\r\n", "b NOOP\r\n", "b OK done\r\n", "* BYE the server is going down, connect again\r\n", "* BYE idle for too long\r\n"},
	{"pop3", POP3, "+OK ready\r\n", "STLS\r\n", "+OK Begin TLS negotiation\r\n", "NOOP\r\n", "+OK\r\n", "-ERR [SYS/TEMP] the server is going down, connect again\r\n", ""},
	{"smtp", func() *Protocol { return SMTP("lb.example.org") }, "220 ready\r\n", "STARTTLS\r\n", "220 2.0.0 Ready to start TLS\r\n", "NOOP\r\n", "250 2.0.0 OK\r\n", "421 4.3.2 the server is going down, connect again\r\n", "421 4.4.2 idle for too long\r\n"},
}

// STARTTLS is ended here: the server hears nothing of it, nor of what somebody
// put in behind it, which is counted.
func TestStartTLSEndsHere(t *testing.T) {
	for _, tt := range protocols {
		t.Run(tt.name, func(t *testing.T) {
			s := newMail(t, tt.protocol(), offers)
			f := s.open(t)
			client, server := f.legs[0], f.last
			f.say(client, tt.ask) // before the greeting: it waits
			f.manual = true
			f.say(server, tt.greeting)
			received(t, client, tt.greeting+tt.begin)
			f.say(client, "a CAPABILITY\r\n")
			f.secured(client, nil)
			f.manual = false
			f.run()
			f.say(client, tt.first)
			f.say(server, tt.response)
			received(t, server, tt.first)
			received(t, client, tt.greeting+tt.begin+tt.response)
			if n := s.vip.Counters.Injections.Load(); n != 1 || !client.tls {
				t.Errorf("%d injections; want 1", n)
			}
			f.end(client)
			f.end(server)
			r := s.ended(f, route.EndDone)
			if r.In != int64(len(server.got)) || r.Out != int64(len(client.got)) {
				t.Errorf("record %d in, %d out; want %d, %d", r.In, r.Out, len(server.got), len(client.got))
			}
		})
	}
}

// A handshake that fails ends the connection.
func TestStartTLSFails(t *testing.T) {
	s := newMail(t, IMAP4(), offers)
	f := s.open(t)
	f.say(f.last, "* OK ready\r\n")
	f.manual = true
	client := f.legs[0]
	f.say(client, "a STARTTLS\r\n")
	f.secured(client, engine.ErrTLSTime)
	if s.ended(f, route.EndRefused); s.vip.Counters.Refused[route.CauseTLS].Load() != 1 {
		t.Error("not counted")
	}
}

// asking has the servers of s asked for TLS in the words of the protocol.
func (s *site) asking() {
	for i := range s.profile.Candidates {
		e := s.profile.Candidates[i].Endpoint
		e.StartTLS, e.ConnectTimeout = &tls.Config{MinVersion: tls.VersionTLS12}, 5*time.Second
	}
}

// TLS towards a server begins before the client hears of it, which then gets the
// greeting.
func TestServerIsAskedForTLS(t *testing.T) {
	for _, o := range []Options{{}, offers} {
		for _, tt := range protocols {
			t.Run(tt.name, func(t *testing.T) {
				s := newMail(t, tt.protocol(), o)
				s.asking()
				f := s.open(t)
				client, server := f.legs[0], f.last
				f.say(client, tt.first)
				f.say(server, tt.greeting[:3])
				f.say(server, tt.greeting[3:])
				own := "casbah STARTTLS\r\n"
				switch tt.name {
				case "pop3":
					own = "STLS\r\n"
				case "smtp":
					f.say(server, "250-you\r\n250 STARTTLS\r\n")
					own = "EHLO lb.example.org\r\nSTARTTLS\r\n"
				}
				received(t, server, own)
				f.say(server, map[string]string{"imap4": "casbah OK\r\n", "pop3": "+OK\r\n", "smtp": "220 go\r\n"}[tt.name])
				if !server.tls {
					t.Fatal("TLS has not begun")
				}
				received(t, server, own+tt.first)
				f.say(server, tt.response)
				received(t, client, tt.greeting+tt.response)
				f.end(client)
				f.end(server)
				s.ended(f, route.EndDone)
			})
		}
	}
}

// A server that cannot be asked is passed over, as long as the client has heard
// nothing.
func TestServerThatRefusesTLS(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(f *fake, server *fakeLeg)
	}{
		{"refuses", func(f *fake, server *fakeLeg) { f.say(server, "-ERR no\r\n") }},
		{"says-more", func(f *fake, server *fakeLeg) { f.say(server, "+OK\r\n+OK 1 message\r\n") }},
		{"handshake", func(f *fake, server *fakeLeg) {
			f.manual = true
			f.say(server, "+OK\r\n")
			f.manual = false
			f.secured(server, engine.ErrTLSTime)
			f.run()
		}},
		{"ends", func(f *fake, server *fakeLeg) { f.end(server) }},
		{"resets", func(f *fake, server *fakeLeg) { f.reset(server) }},
		{"is-silent", func(f *fake, _ *fakeLeg) { f.pass(5 * time.Second) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newMail(t, POP3(), offers)
			s.asking()
			f := s.open(t)
			first := f.last
			f.say(first, "+OK first\r\n")
			tt.fail(f, first)
			second := f.last
			if second == first || f.over() || s.services[0].Failures.Load() != 1 {
				t.Fatalf("%d failures, over: %v; want another server", s.services[0].Failures.Load(), f.over())
			}
			f.say(second, "+OK second\r\n")
			f.say(second, "+OK\r\n")
			received(t, f.legs[0], "+OK second\r\n")
			f.tick(engine.Kill)
			if r := s.records[0]; r.Attempts != 2 || r.Server != "cas2" {
				t.Errorf("record %+v; want two attempts", r)
			}
		})
	}
}

// A client is told that there is no server, be it that none is up or that none
// can be reached.
func TestNobodyServesMail(t *testing.T) {
	for _, tt := range protocols {
		for _, reached := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/reached=%v", tt.name, reached), func(t *testing.T) {
				s := newMail(t, tt.protocol(), offers)
				for _, svc := range s.services {
					if !reached {
						svc.SetState(time.Unix(0, epoch), balance.Down)
					}
				}
				f := newFake(t, &s.cur, s.conn)
				f.refuse = func(*balance.Endpoint) bool { return true }
				client := f.legs[0]
				f.open()
				r := s.ended(f, route.EndNoServer)
				want, _, _ := strings.Cut(tt.farewell, "the server")
				if got := string(client.got); !strings.HasPrefix(got, strings.TrimSpace(want)) || !strings.HasSuffix(got, "no server is up\r\n") || client.gotRst {
					t.Errorf("the client got %q, reset %v", got, client.gotRst)
				}
				if r.Out != int64(len(client.got)) || s.vip.Counters.Refused[route.CauseNoServer].Load() != 1 {
					t.Errorf("record %+v", r)
				}
			})
		}
	}
}

// What passes as it is passes at once: a line may be a prompt, or no line at all.
func TestFollowedOctetsDoNotWait(t *testing.T) {
	for _, tt := range protocols {
		t.Run(tt.name, func(t *testing.T) {
			s := newMail(t, tt.protocol(), Options{})
			f := s.open(t)
			client, server := f.legs[0], f.last
			for _, c := range tt.greeting + tt.response {
				f.say(server, string(c))
				received(t, client, string(server.sent))
			}
			f.say(client, "\x16\x03\x01\x02\x00\x01")
			f.say(client, "\x00\x00\x0a\x00")
			f.say(server, "\x16\x03\x03")
			received(t, server, string(client.sent))
			received(t, client, string(server.sent))
			f.say(client, "more")
			f.end(client)
			f.say(server, "and more")
			f.end(server)
			received(t, server, string(client.sent))
			received(t, client, string(server.sent))
			s.ended(f, route.EndDone)
		})
	}
}

// casbah stops: a client is told so between commands, and idle ones when their
// time is over.
func TestTakingLeave(t *testing.T) {
	for _, o := range []Options{{}, offers} {
		for _, tt := range protocols {
			t.Run(tt.name, func(t *testing.T) {
				s := newMail(t, tt.protocol(), o)
				f := s.open(t)
				client, server := f.legs[0], f.last
				f.say(server, tt.greeting)
				f.tick(engine.Drain)
				received(t, client, tt.greeting+tt.farewell)
				if !client.gotFin || client.gotRst || !server.gotFin {
					t.Errorf("client %+v; want an end", client)
				}
				s.ended(f, route.EndDrain)

				f = s.open(t)
				client = f.legs[0]
				f.say(f.last, tt.greeting)
				f.pass(11 * time.Minute)
				received(t, client, tt.greeting+tt.idle)
				if !client.gotFin || client.gotRst {
					t.Errorf("client %+v; want an end", client)
				}
				s.ended(f, route.EndIdle)

				f = s.open(t)
				client = f.legs[0]
				f.say(f.last, tt.greeting)
				f.tick(engine.Kill)
				received(t, client, tt.greeting+tt.farewell)
				s.ended(f, route.EndKill)
			})
		}
	}
}

// No farewell stands within what a client reads or sends as a whole: it waits for
// the end of that.
func TestFarewellWaits(t *testing.T) {
	big := strings.Repeat("x", 100)
	for _, tt := range []struct {
		name     string
		protocol *Protocol
		talk     []string // the client, the server, and so on
		end      []string // what lets it go, likewise; the first is the client's
		farewell string
	}{
		{"literal-to-client", IMAP4(), []string{"", "* OK\r\n", "a FETCH 1 BODY[]\r\n", "* 1 FETCH (BODY[] {100}\r\n" + big[:50]}, []string{"", big[50:] + ")\r\na OK\r\n"}, "* BYE"},
		{"literal-of-client", IMAP4(), []string{"", "* OK\r\n", "a APPEND x {100}\r\n", "+ go\r\n", big[:50]}, []string{big[50:] + "\r\n", "a OK\r\n"}, "* BYE"},
		{"message-to-client", POP3(), []string{"", "+OK\r\n", "RETR 1\r\n", "+OK\r\n" + big}, []string{"", "\r\n.\r\n"}, "-ERR"},
		{"quit", POP3(), []string{"", "+OK\r\n", "QUIT\r\n"}, nil, ""},
		{"message-of-client", SMTP(""), []string{"", "220 hi\r\n", "DATA\r\n", "354 go\r\n", big}, []string{"\r\n.\r\n", "250 queued\r\n"}, "421"},
		{"command", SMTP(""), []string{"", "220 hi\r\n", "NOOP\r\n"}, []string{"", "250 OK\r\n"}, "421"},
		{"half-a-line", SMTP(""), []string{"", "220 h"}, []string{"", "i\r\n"}, "421"},
	} {
		for _, o := range []Options{{}, offers} {
			if o.Offer && tt.name == "half-a-line" {
				continue // it is not passed on before its end
			}
			t.Run(tt.name, func(t *testing.T) {
				s := newMail(t, tt.protocol, o)
				f := s.open(t)
				client, server := f.legs[0], f.last
				say := func(all []string) {
					for i, text := range all {
						if from := []*fakeLeg{client, server}[i%2]; text != "" && !f.over() {
							f.say(from, text)
						}
					}
				}
				say(tt.talk)
				before := len(client.got)
				f.tick(engine.Drain)
				if f.over() {
					t.Fatalf("over amid it: the client got %q", client.got[before:])
				}
				say(tt.end)
				if tt.farewell == "" {
					f.tick(engine.Kill)
					if !client.gotRst || len(client.got) != before {
						t.Errorf("the client got %q; want a reset alone", client.got[before:])
					}
					return
				}
				lines := strings.SplitAfter(strings.TrimSuffix(string(client.got), "\r\n"), "\r\n")
				if last := lines[len(lines)-1]; !strings.HasPrefix(last, tt.farewell) {
					t.Errorf("the client got %q at last; want a farewell", last)
				}
				s.ended(f, route.EndDrain)
			})
		}
	}
}

// A client that breaks the rules is told so, and a server that does is counted as
// such; nothing of either goes on.
func TestBrokenDialogues(t *testing.T) {
	for _, tt := range []struct {
		name           string
		protocol       *Protocol
		client, server string
		end            route.End
		cause          route.Cause
	}{
		{"endless-line", IMAP4(), strings.Repeat("x", 70<<10), "* OK\r\n", route.EndProtocol, route.CauseProtocol},
		{"huge-literal", IMAP4(), "a LOGIN {2147483648}\r\n", "* OK\r\n", route.EndProtocol, route.CauseProtocol},
		{"bare-end", SMTP(""), "NOOP\nMAIL\r\n", "220 hi\r\n", route.EndProtocol, route.CauseProtocol},
		{"capabilities", IMAP4(), "", "* OK [CAPABILITY" + strings.Repeat(" X", 10001) + "]\r\n", route.EndServer, route.CauseGarbage},
		{"no-greeting", POP3(), "", "HTTP/1.1 400\r\n", route.EndServer, route.CauseGarbage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newMail(t, tt.protocol, offers)
			f := s.open(t)
			client, server := f.legs[0], f.last
			f.say(server, tt.server)
			if !f.over() {
				f.say(client, tt.client)
			}
			s.ended(f, tt.end)
			if s.vip.Counters.Refused[tt.cause].Load() != 1 || !client.gotFin || client.gotRst || len(server.got) > 0 {
				t.Errorf("client %+v; the server got %q; want an end, counted as %v", client, server.got, tt.cause)
			}
		})
	}
}

// A side that does not read what it is told stops the other one, and goes on.
func TestFullLegStopsTheOther(t *testing.T) {
	s := newMail(t, IMAP4(), offers)
	f := s.open(t)
	client, server := f.legs[0], f.last
	f.full = client
	f.say(server, "* OK\r\n")
	if !server.held || client.held {
		t.Fatalf("held: server %v, client %v; want the server alone", server.held, client.held)
	}
	f.say(server, "* 1 EXISTS\r\n")
	f.full = nil
	f.call(func() { f.core.Drained(f.now, engine.Client, f) })
	f.run()
	received(t, client, "* OK\r\n* 1 EXISTS\r\n")
	f.full = client
	f.say(client, "a LOGIN x y\r\nb LOGIN x y\r\n") // which casbah answers
	if !client.held {
		t.Fatal("a client that does not read is read")
	}
	f.full = nil
	f.call(func() { f.core.Drained(f.now, engine.Client, f) })
	f.run()
	if client.held || server.held {
		t.Error("held for nothing")
	}
}

// A dialogue costs nothing for each connection but what a relay does.
func TestDialogueDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	for _, tt := range protocols {
		for _, o := range []Options{{}, offers} {
			s, d, now := newMail(t, tt.protocol(), o), new(sink), epoch
			s.vip.Log = func(*route.Record) {}
			greeting, first, response := []byte(tt.greeting), []byte(tt.first), []byte(tt.response)
			if n := least(func() {
				now += 1e6
				c := New(&s.cur, s.conn)
				d.up(now, c)
				c.Bytes(now, 1, greeting, d)
				c.Bytes(now, engine.Client, first, d)
				c.Bytes(now, 1, response, d)
				d.down(now, c, 1000)
			}); n > 1 {
				t.Errorf("%s, %+v: %v allocations for each connection; want 1", tt.name, o, n)
			}
		}
	}
}

// S111: a client of IMAP4 that waits in IDLE is not cut for the half hour that it
// may be silent; the server's word in between counts as well.
func TestIdleIMAPLasts(t *testing.T) {
	for _, o := range []Options{{}, offers} {
		s := newMail(t, IMAP4(), o)
		s.profile.IdleTimeout = 31 * time.Minute // as it ships
		f := s.open(t)
		client, server := f.legs[0], f.last
		f.say(server, "* OK\r\n")
		f.say(client, "a IDLE\r\n")
		f.say(server, "+ idling\r\n")
		for range 3 {
			f.pass(30 * time.Minute)
			if f.over() {
				t.Fatal("cut before its time")
			}
			f.say(server, "* 1 EXISTS\r\n")
		}
		f.pass(33 * time.Minute)
		if s.ended(f, route.EndIdle); !strings.HasSuffix(string(client.got), "* 1 EXISTS\r\n* BYE idle for too long\r\n") {
			t.Errorf("the client got %q", client.got)
		}
	}
}

// What an open session holds beside the state of a relay.
func TestSessionIsSmall(t *testing.T) {
	for _, tt := range []struct {
		name string
		size uintptr
	}{{"imap4", unsafe.Sizeof(imap4Dialogue{})}, {"pop3", unsafe.Sizeof(pop3Dialogue{})}, {"smtp", unsafe.Sizeof(smtpDialogue{})}} {
		size := tt.size + unsafe.Sizeof(talk{})
		if t.Logf("%s: %d octets", tt.name, size); size > 512 {
			t.Errorf("%s: a session holds %d octets more than a relay; want at most 512", tt.name, size)
		}
	}
}

// What Exchange servers say to each other passes, whoever ends STARTTLS.
func TestExchangeServersAreLeftAlone(t *testing.T) {
	for _, o := range []Options{{}, offers} {
		s := newMail(t, SMTP(""), o)
		f := s.open(t)
		client, server := f.legs[0], f.last
		f.say(server, "220 hub\r\n")
		f.say(client, "EHLO hub2\r\n")
		f.say(server, "250-hub\r\n250-X-ANONYMOUSTLS\r\n250 X-EXPS GSSAPI\r\n")
		if !strings.Contains(string(client.got), "X-ANONYMOUSTLS\r\n250") || !strings.Contains(string(client.got), "X-EXPS GSSAPI\r\n") {
			t.Errorf("the client is offered %q", client.got)
		}
		f.say(client, "X-ANONYMOUSTLS\r\n")
		f.say(server, "220 ready\r\n")
		f.say(client, "\x16\x03\x01\x00STARTTLS\r\n")
		f.say(server, "\x16\x03\x03 250 STARTTLS\r\n")
		received(t, server, string(client.sent))
		if !strings.HasSuffix(string(client.got), "220 ready\r\n\x16\x03\x03 250 STARTTLS\r\n") || client.tls {
			t.Errorf("the client got %q", client.got)
		}
		f.tick(engine.Drain) // there are no words within their TLS
		if f.over() {
			t.Error("over, with the session going on")
		}
	}
}

// Without Offer what waits for an answer has passed already: a literal, a chunk or a
// message within it needs no Move, and nothing behind it is left lying.
func TestPipelinesPass(t *testing.T) {
	for _, tt := range []struct {
		name            string
		protocol        func() *Protocol
		ahead           string // of the client, before the server has said anything
		greeting, reply string
		client, server  string // that come last
	}{
		{
			"imap4", IMAP4, "a LOGIN x y\r\nb APPEND m {3+}\r\nabc\r\nc APPEND m {2+}\r\nde\r\n", "* OK ready\r\n",
			"a OK\r\n* 1 FETCH (X {3}\r\nabc Y {2}\r\nde)\r\n", "d NOOP\r\n", "b OK\r\n",
		},
		{"pop3", POP3, "AUTH NTLM\r\nabc\r\nRETR 1\r\nRETR 2\r\n", "+OK ready\r\n", "+\r\n+OK\r\n+OK\r\na\r\n.\r\n+OK\r\nb\r\n", "NOOP\r\n", ".\r\n+OK\r\n"},
		{
			"smtp", protocols[2].protocol, "EHLO x\r\nBDAT 3\r\nabcBDAT 2 LAST\r\nde", "220 ready\r\n",
			"250-you\r\n250 CHUNKING\r\n", "NOOP\r\n", "250 OK\r\n250 OK\r\n250 OK\r\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newMail(t, tt.protocol(), Options{}).open(t)
			client, server := f.legs[0], f.last
			f.say(client, tt.ahead)
			f.say(server, tt.greeting)
			f.say(server, tt.reply)
			f.say(client, tt.client)
			f.say(server, tt.server)
			received(t, server, tt.ahead+tt.client)
			received(t, client, tt.greeting+tt.reply+tt.server)
			if n := len(client.unread) + len(server.unread); n > 0 {
				t.Errorf("%d octets are not looked at", n)
			}
		})
	}
}

// What passes unread from amid a literal on does so behind it: one Move runs at a
// time, and what it has moved is counted.
func TestBlindAmidALiteral(t *testing.T) {
	s := newMail(t, IMAP4(), Options{})
	f := s.open(t)
	client, server := f.legs[0], f.last
	f.say(client, "a X {9+}\r\nabc")
	f.say(server, "hello\r\n")
	f.say(client, "def\r\n")
	f.say(client, "\r\nmore")
	f.say(client, " and more")
	received(t, server, "a X {9+}\r\nabcdef\r\n\r\nmore and more")
	f.end(client)
	f.end(server)
	if r := s.ended(f, route.EndDone); r.In != int64(len(server.got)) {
		t.Errorf("record %d in; want %d", r.In, len(server.got))
	}
}

// Without Offer the server may do already what the dialogue has not looked at: no
// farewell has the client repeat it.
func TestNoFarewellAheadOfAnAnswer(t *testing.T) {
	f := newMail(t, IMAP4(), Options{}).open(t)
	client, server := f.legs[0], f.last
	f.say(server, "* OK ready\r\n")
	f.say(client, "a IDLE\r\n")
	f.say(server, "+ idling\r\n")
	f.say(client, "DONE\r\nb COPY 1:* Archive\r\n")
	f.tick(engine.Drain)
	received(t, server, "a IDLE\r\nDONE\r\nb COPY 1:* Archive\r\n")
	received(t, client, "* OK ready\r\n+ idling\r\n")
	f.say(server, "a OK\r\n")
	received(t, client, "* OK ready\r\n+ idling\r\na OK\r\n")
	f.say(server, "b OK\r\n")
	received(t, client, "* OK ready\r\n+ idling\r\na OK\r\nb OK\r\n"+protocols[0].farewell)
}
