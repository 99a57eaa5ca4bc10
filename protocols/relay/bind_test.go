package relay

import (
	"testing"
	"time"

	"casbah/engine"
	"casbah/persistence"
	"casbah/protocols/msrpc"
	"casbah/protocols/msrpc/rpctest"
	"casbah/route"
)

// newRPC makes a VIP of RPC whose profile knows associations.
func newRPC(tb testing.TB) *site {
	tb.Helper()
	s := siteOf(tb, []string{"cas1", "cas2", "cas3"}, persistence.Step{By: persistence.RPCAssociation})
	s.vip.HeaderTimeout = 30 * time.Second
	s.cur.Store(&VIP{VIP: s.vip, Read: ReadBind})
	return s
}

func bindPDU(association uint32) []byte {
	return (&msrpc.Bind{
		Header: rpctest.Header(msrpc.TypeBind, 1), Association: association,
		Contexts: []msrpc.Context{{Abstract: msrpc.EMSMDB, Transfer: []msrpc.Syntax{msrpc.NDR}}},
	}).AppendTo(nil)
}

func bindAckPDU(association uint32) []byte {
	return (&msrpc.BindAck{
		Header: rpctest.Header(msrpc.TypeBindAck, 1), Association: association,
		Address: []byte("59532"), Results: []msrpc.Result{{Transfer: msrpc.NDR}},
	}).AppendTo(nil)
}

// cut says what a side says in pieces of n octets.
func (f *fake) cut(l *fakeLeg, p []byte, n int) {
	for ; len(p) > 0; p = p[min(n, len(p)):] {
		f.sayOctets(l, p[:min(n, len(p))])
	}
}

// A connection that joins an association goes to the server that gave it, in
// whatever pieces binds and answers come, and both pass unchanged.
func TestAssociationKeepsItsServer(t *testing.T) {
	for _, n := range []int{1, 16, 23, 24, 25, 1000} {
		s := newRPC(t)
		first := s.open(t)
		if first.last != nil {
			t.Fatal("a server hears of a client that has said nothing")
		}
		first.cut(first.legs[0], bindPDU(0), n)
		home := first.last.endpoint.Name
		first.cut(first.last, bindAckPDU(77), n)
		for range 3 {
			f := s.open(t)
			f.cut(f.legs[0], bindPDU(77), n)
			f.cut(f.last, bindAckPDU(77), n)
			f.say(f.last, "more")
			if f.last.endpoint.Name != home {
				t.Errorf("in pieces of %d: the second connection is on %s; want %s", n, f.last.endpoint.Name, home)
			}
			receivedAll(t, f.last, bindPDU(77))
			receivedAll(t, f.legs[0], bindAckPDU(77), []byte("more"))
		}
		other := s.open(t)
		other.cut(other.legs[0], bindPDU(0), n)
		if other.last.endpoint.Name == home {
			t.Errorf("another association is on %s, too", home)
		}
	}
}

// What is not a bind yields no key; a bind that is refused binds nothing.
func TestWhatJoinsNoAssociation(t *testing.T) {
	nak := (&msrpc.BindNak{Header: rpctest.Header(msrpc.TypeBindNak, 1), Reason: 2}).AppendTo(nil)
	for _, tt := range []struct {
		name           string
		client, server []byte
	}{
		{"text", []byte("EHLO x\r\n"), []byte("220 x\r\n")},
		{"one-octet", []byte("\x16"), []byte("\x05")},
		{"request-first", (&msrpc.Request{Header: rpctest.Header(msrpc.TypeRequest, 1)}).AppendTo(nil, 0), bindAckPDU(5)},
		{"refused", bindPDU(5), nak},
		{"no-association", bindPDU(5), bindAckPDU(0)},
		{"silence", bindPDU(5), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newRPC(t)
			for range 2 {
				f := s.open(t)
				f.sayOctets(f.legs[0], tt.client)
				f.cut(f.last, tt.server, 3)
				receivedAll(t, f.last, tt.client)
				receivedAll(t, f.legs[0], tt.server)
				f.end(f.legs[0])
				f.end(f.last)
				if r := s.ended(f, route.EndDone); r.Why != "no_key" && r.Why != "fresh" {
					t.Errorf("decided by %s", r.Why)
				}
			}
		})
	}
}

// A client that does not come to the point is not waited for.
func TestBindInTime(t *testing.T) {
	s := newRPC(t)
	f := s.open(t)
	f.sayOctets(f.legs[0], bindPDU(1)[:23])
	f.pass(30 * time.Second)
	if s.ended(f, route.EndSlow); s.vip.Counters.Refused[route.CauseSlow].Load() != 1 {
		t.Error("not counted")
	}
	f = s.open(t)
	f.sayOctets(f.legs[0], bindPDU(1)[:20])
	f.end(f.legs[0])
	s.ended(f, route.EndClient)
	f = s.open(t)
	f.tick(engine.Drain)
	s.ended(f, route.EndKill)
}

// What the dialogue of a client leaves unused says nothing of how much of the
// server the reader has seen.
func TestClientAheadOfAServerThatIsRead(t *testing.T) {
	s := newRPC(t)
	s.cur.Store(&VIP{VIP: s.vip, Read: ReadBind, Speaks: IMAP4()})
	f := s.open(t)
	f.sayOctets(f.legs[0], bindPDU(5)) // no line of IMAP4: the dialogue waits for more
	ack := bindAckPDU(77)
	f.sayOctets(f.last, ack[:20])
	f.sayOctets(f.legs[0], []byte("more"))
	f.sayOctets(f.last, ack[20:])
	receivedAll(t, f.legs[0], ack)
	receivedAll(t, f.last, bindPDU(5), []byte("more"))
	home := f.last.endpoint.Name
	for range 3 {
		next := s.open(t)
		next.sayOctets(next.legs[0], bindPDU(77))
		if next.last.endpoint.Name != home {
			t.Errorf("the association is on %s; want %s", next.last.endpoint.Name, home)
		}
	}
}
