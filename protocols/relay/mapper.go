package relay

import (
	"net/netip"
	"sync"

	"casbah/balance"
	"casbah/protocols/msrpc"
	"casbah/route"
)

// Mapper says what becomes of the answers of endpoint mappers.
type Mapper struct {
	// Given are what clients are told, by the address that they have called.
	Given []Given
	// Counters are those of the VIP.
	Counters *route.MapperCounters
	// Told is told of each port that a server names for an interface which clients
	// are told of. It does not block.
	Told func(server balance.ServerID, iface msrpc.Syntax, port uint16)
}

// Given is what clients are told that have called one address; an unspecified one
// stands for all that have no other.
type Given struct {
	Addr  netip.Addr
	Table msrpc.Table
}

// Protocol returns the protocol by which m is carried out.
func (m *Mapper) Protocol() *Protocol {
	return &Protocol{Edits: true, Begin: func(Options) Dialogue {
		s := mapperDialogues.Get().(*mapperDialogue) //nolint:forcetypeassert // the pool holds nothing else
		s.conf = m
		return s
	}}
}

// at returns what clients are told that have called addr. An address that is none
// of the VIP's is that of a balancer in front, which a PROXY header has named.
func (m *Mapper) at(addr netip.Addr) msrpc.Table {
	var others msrpc.Table
	for i := range m.Given {
		switch g := &m.Given[i]; {
		case g.Addr == addr:
			return g.Table
		case g.Addr.IsUnspecified() && others == nil:
			others = g.Table
		}
	}
	if others == nil && len(m.Given) > 0 {
		return m.Given[0].Table
	}
	return others
}

// mapperDialogue has clients find casbah where an endpoint mapper names a server.
type mapperDialogue struct {
	mapper msrpc.Mapper
	conf   *Mapper
	table  msrpc.Table
	server balance.ServerID
}

var mapperDialogues = sync.Pool{New: func() any {
	s := new(mapperDialogue)
	s.clear()
	return s
}}

func (s *mapperDialogue) clear() {
	*s = mapperDialogue{mapper: msrpc.Mapper{Mode: msrpc.Rewrite, OnAnswer: s.answered}}
}

// Release implements Dialogue.
func (s *mapperDialogue) Release() {
	s.clear()
	mapperDialogues.Put(s)
}

// place implements placed.
func (s *mapperDialogue) place(called netip.Addr, server balance.ServerID) {
	s.table, s.server = s.conf.at(called), server
}

// FromClient implements Dialogue. Who does not speak RPC is not read any more.
func (s *mapperDialogue) FromClient(p []byte, e *Effect) (int, error) {
	out, err := s.mapper.FromClient(e.ToServer, p)
	if e.ToServer = out; err != nil {
		s.conf.Counters.Left[route.LeftNotRPC].Add(1)
		e.PassClient = -1
	}
	return len(p), nil
}

// FromServer implements Dialogue, likewise.
func (s *mapperDialogue) FromServer(p []byte, e *Effect) (int, error) {
	out, err := s.mapper.FromServer(e.ToClient, p, s.table)
	if e.ToClient = out; err != nil {
		s.conf.Counters.Left[route.LeftNotRPC].Add(1)
		e.PassServer = -1
	}
	return len(p), nil
}

// answered counts an answer and tells of its ports.
func (s *mapperDialogue) answered(a *msrpc.Answer) {
	c, given := s.conf.Counters, false
	c.Answers.Add(1)
	for i := range a.Towers {
		if t := &a.Towers[i]; t.Given {
			given = true
			s.conf.Told(s.server, t.Interface, t.Port)
		}
	}
	switch {
	case given:
		c.Given.Add(1)
	case a.Left != msrpc.NotLeft:
		c.Left[leftBy[a.Left]].Add(1)
	case a.Status == msrpc.NotRegistered && len(a.Towers) == 0:
		c.Left[route.LeftUnknown].Add(1)
	default:
		c.Left[route.LeftOther].Add(1)
	}
}

// leftBy are the causes of the mapper's.
var leftBy = [...]route.LeftCause{
	msrpc.Protected: route.LeftProtected, msrpc.TooLong: route.LeftTooLong,
	msrpc.Unread: route.LeftUnread, msrpc.Disturbed: route.LeftDisturbed,
}

// Secured implements Dialogue; nothing begins TLS here.
func (*mapperDialogue) Secured(int) {}

// Goodbye implements Dialogue. RPC knows none: the connection goes on while casbah
// drains, as a relayed one does.
func (*mapperDialogue) Goodbye(dst []byte) ([]byte, bool) { return dst, false }

// Timeout implements Dialogue, likewise.
func (*mapperDialogue) Timeout(dst []byte) ([]byte, bool) { return dst, false }

// Rest implements Dialogue.
func (s *mapperDialogue) Rest(dst []byte) []byte { return s.mapper.Rest(dst) }
