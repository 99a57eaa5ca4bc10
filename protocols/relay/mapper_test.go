package relay

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"casbah/balance"
	"casbah/engine"
	"casbah/protocols/msrpc"
	"casbah/protocols/msrpc/rpctest"
	"casbah/route"
)

// mapperSite is a VIP of the endpoint mapper that rewrites.
type mapperSite struct {
	*site

	conf *Mapper
	told []uint16
}

// ours and theirs are the ports of NSPI.
const ours, theirs = 40002, 49201

func newMapper(tb testing.TB) *mapperSite {
	tb.Helper()
	m := &mapperSite{site: newSite(tb)}
	table := func(port uint16) msrpc.Table {
		return msrpc.Table{{UUID: msrpc.NSPI.UUID, Major: msrpc.NSPI.Major, Protocol: msrpc.TCP, Port: port}}
	}
	m.conf = &Mapper{
		Given: []Given{
			{netip.IPv4Unspecified(), table(1)}, {netip.MustParseAddr("192.0.2.10"), table(ours)}, {netip.MustParseAddr("192.0.2.11"), table(2)},
		},
		Counters: &m.vip.Counters.Mapper,
		Told: func(server balance.ServerID, iface msrpc.Syntax, port uint16) {
			if server != 1 || iface != msrpc.NSPI {
				tb.Errorf("told of %s on server %d", iface, server)
			}
			m.told = append(m.told, port)
		},
	}
	m.cur.Store(&VIP{VIP: m.vip, Speaks: m.conf.Protocol()})
	return m
}

func tower(port uint16) []byte {
	return (&msrpc.Tower{Interface: msrpc.NSPI, Transfer: msrpc.NDR, Protocol: msrpc.TCP, Port: port, Addr: netip.MustParseAddr("10.0.0.1")}).AppendTo(nil)
}

// mapperBind is what begins a connection to a mapper, and its answer.
func mapperBind() (bind, ack []byte) {
	b := msrpc.Bind{Header: rpctest.Header(msrpc.TypeBind, 1), Contexts: []msrpc.Context{{Abstract: msrpc.EPM, Transfer: []msrpc.Syntax{msrpc.NDR}}}}
	return b.AppendTo(nil), bindAckPDU(1)
}

func mapQuestion(call uint32) []byte {
	stub := (&msrpc.MapRequest{Tower: tower(0), Max: 4}).AppendTo(nil, msrpc.Encoding{})
	return (&msrpc.Request{Header: rpctest.Header(msrpc.TypeRequest, call), Op: msrpc.OpMap, Stub: stub}).AppendTo(nil, 0)
}

func mapAnswer(call uint32, port uint16, size int) []byte {
	stub := (&msrpc.MapResponse{Max: 4, Towers: [][]byte{tower(port), tower(port)}}).AppendTo(nil, msrpc.Encoding{})
	return (&msrpc.Response{Header: rpctest.Header(msrpc.TypeResponse, call), Stub: stub}).AppendTo(nil, size)
}

// S24: clients are told the port for the address that they have called, whatever
// pieces questions and answers come in.
func TestMapperAnswersWithOurPorts(t *testing.T) {
	bind, ack := mapperBind()
	for _, n := range []int{1, 7, 100, 10000} {
		s := newMapper(t)
		f := s.open(t)
		f.cut(f.legs[0], bind, n)
		f.cut(f.last, ack, n)
		for call := uint32(2); call < 5; call++ {
			f.cut(f.legs[0], mapQuestion(call), n)
			f.cut(f.last, mapAnswer(call, theirs, 80), n)
		}
		receivedAll(t, f.last, bind, mapQuestion(2), mapQuestion(3), mapQuestion(4))
		receivedAll(t, f.legs[0], ack, mapAnswer(2, ours, 80), mapAnswer(3, ours, 80), mapAnswer(4, ours, 80))
		f.end(f.legs[0])
		f.end(f.last)
		r := s.ended(f, route.EndDone)
		if c := s.conf.Counters; c.Answers.Load() != 3 || c.Given.Load() != 3 || len(s.told) != 6 || s.told[0] != theirs {
			t.Errorf("%d answers, %d given, told %v", c.Answers.Load(), c.Given.Load(), s.told)
		}
		if r.In != int64(len(bind)+3*len(mapQuestion(2))) || r.Out != int64(len(ack)+3*len(mapAnswer(2, ours, 80))) {
			t.Errorf("record %+v", r)
		}
	}
}

func TestMapperByAddress(t *testing.T) {
	bind, ack := mapperBind()
	for addr, port := range map[string]uint16{"192.0.2.10": ours, "192.0.2.11": 2, "192.0.2.12": 1, "::ffff:192.0.2.11": 2} {
		s := newMapper(t)
		s.conn.Local = netip.AddrPortFrom(netip.MustParseAddr(addr), 135)
		f := s.open(t)
		f.sayOctets(f.legs[0], bind)
		f.sayOctets(f.last, ack)
		f.sayOctets(f.legs[0], mapQuestion(2))
		f.sayOctets(f.last, mapAnswer(2, theirs, 0))
		receivedAll(t, f.legs[0], ack, mapAnswer(2, port, 0))
	}
}

// Behind a balancer the called address is that one's: clients are told the ports of
// the first address of the VIP, never those of the servers.
func TestMapperBehindABalancer(t *testing.T) {
	bind, ack := mapperBind()
	s := newMapper(t)
	s.conf.Given = s.conf.Given[1:]
	s.conn.Local = netip.MustParseAddrPort("203.0.113.7:135")
	f := s.open(t)
	f.sayOctets(f.legs[0], bind)
	f.sayOctets(f.last, ack)
	f.sayOctets(f.legs[0], mapQuestion(2))
	f.sayOctets(f.last, mapAnswer(2, theirs, 0))
	receivedAll(t, f.legs[0], ack, mapAnswer(2, ours, 0))
}

// What is held of an answer leaves when the server ends amid it.
func TestMapperThatEndsAmidAnAnswer(t *testing.T) {
	bind, ack := mapperBind()
	whole := mapAnswer(2, theirs, 80)
	for _, n := range []int{10, 100, len(whole) - 1} {
		s := newMapper(t)
		f := s.open(t)
		f.sayOctets(f.legs[0], bind)
		f.sayOctets(f.last, ack)
		f.sayOctets(f.legs[0], mapQuestion(2))
		f.sayOctets(f.last, whole[:n])
		f.end(f.last)
		receivedAll(t, f.legs[0], ack, whole[:n])
		if !f.legs[0].gotFin {
			t.Error("the end is not passed on")
		}
		f.end(f.legs[0])
		s.ended(f, route.EndDone)
	}
}

// Who does not speak RPC is passed on unread.
func TestMapperOfStrangers(t *testing.T) {
	s := newMapper(t)
	f := s.open(t)
	f.say(f.legs[0], "GET / HTTP/1.1\r\n")
	f.say(f.last, "HTTP/1.1 400\r\n")
	f.say(f.legs[0], "more")
	f.say(f.last, "enough")
	received(t, f.last, "GET / HTTP/1.1\r\nmore")
	received(t, f.legs[0], "HTTP/1.1 400\r\nenough")
	if n := s.conf.Counters.Left[route.LeftNotRPC].Load(); n != 2 {
		t.Errorf("%d sides counted; want 2", n)
	}
	f.tick(engine.Drain)
	if f.over() {
		t.Error("a drain ends it, as it does not end a relay")
	}
	f.tick(engine.Kill)
	s.ended(f, route.EndKill)
}

// FuzzMapper plays what both sides of a connection to a mapper say, in turns, in
// pieces of two sizes: the server gets what the client says; the client gets what
// the server says, the same either way, but for ports of ours; and in the end
// nothing is held back.
func FuzzMapper(f *testing.F) {
	bind, ack := mapperBind()
	f.Add(append(bytes.Clone(bind), mapQuestion(2)...), append(bytes.Clone(ack), mapAnswer(2, theirs, 80)...), byte(len(bind)), byte(len(ack)), byte(3))
	f.Add([]byte("GET /"), append(bytes.Clone(ack), "no"...), byte(2), byte(9), byte(1))
	f.Fuzz(func(t *testing.T, client, server []byte, bound, acked, size byte) {
		if len(client)+len(server) > 16<<10 {
			return
		}
		var got [][]byte
		for _, n := range []int{1 << 20, int(size%40) + 1} {
			s := newMapper(t)
			s.conf.Told = func(balance.ServerID, msrpc.Syntax, uint16) {}
			fk := s.open(t)
			b, a := min(int(bound), len(client)), min(int(acked), len(server))
			fk.cut(fk.legs[0], client[:b], n)
			fk.cut(fk.last, server[:a], n)
			fk.cut(fk.legs[0], client[b:], n)
			fk.cut(fk.last, server[a:], n)
			if !bytes.Equal(fk.last.got, client) {
				t.Fatalf("the server got %x; want %x", fk.last.got, client)
			}
			leg := fk.legs[0]
			fk.end(fk.last)
			fk.end(leg)
			s.ended(fk, route.EndDone)
			if changed := differences(leg.got, server); len(leg.got) != len(server) || changed > 16*int(s.conf.Counters.Given.Load())*500 {
				t.Fatalf("the client got %x; want %x", leg.got, server)
			}
			got = append(got, leg.got)
		}
		if !bytes.Equal(got[0], got[1]) {
			t.Fatalf("in pieces the client got %x; at once %x", got[1], got[0])
		}
	})
}

// differences counts the octets that differ, but for ports of ours.
func differences(a, b []byte) (n int) {
	port := binary.BigEndian.AppendUint16(nil, ours)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] && a[i] != port[0] && a[i] != port[1] {
			return 1 << 20
		}
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
