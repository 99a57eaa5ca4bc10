package msrpc

import "errors"

// Mode says what a Mapper does with answers.
type Mode uint8

// The modes.
const (
	Pass    Mode = iota // learn, change nothing, hold nothing back
	Rewrite             // put our ports in
)

// Mapper follows one client's connection to an endpoint mapper. Both sides'
// octets go through it, in any pieces, and come out in the order and number in
// which they came in. What the client says passes unchanged at once. Of what the
// server says, Rewrite holds back an answer to ept_map or ept_lookup until it is
// whole, 128 KiB at most, and changes ports and addresses of towers in place.
//
// It never refuses anything: an answer that it cannot read, that is too long or
// that is protected (see Auth.Protects) passes as it came, and is told of as
// left. A side that does not speak DCE/RPC is passed on unread from there on.
//
// The zero Mapper is ready, in mode Pass.
type Mapper struct {
	Mode Mode // does not change once octets have come
	// OnAnswer, if there is one, is told of each answer to ept_map and
	// ept_lookup, before it is passed on. The Answer is valid during the call.
	OnAnswer func(*Answer)

	client, server stream
	contexts       contexts
	calls          calls
	request        Assembly
	response       Assembly
	answer         Answer
}

// stream is one side's octets.
type stream struct {
	reader Reader
	broken bool // it is no DCE/RPC; nothing is read any more
}

// Limits of a request, which to a mapper has 156 octets; of one that is much
// longer it is not learned for what it asks.
const (
	requestOctets    = 4096
	requestFragments = 8
)

// What is read of either side.
var (
	fromClient = Of(TypeBind, TypeAlterContext, TypeRequest)
	fromServer = Of(TypeBindAck, TypeAlterResp, TypeResponse, TypeFault)
)

// Left is why an answer was left as it came.
type Left uint8

// The reasons.
const (
	NotLeft   Left = iota // it was read; its towers for which there are routes have our ports, if the mode is Rewrite
	Protected             // signed or sealed
	TooLong               // more than an Assembly takes
	Unread                // not an answer to its question
	Disturbed             // another PDU came between its fragments
)

// Answer is what a mapper answered.
type Answer struct {
	Op     uint16 // OpMap or OpLookup
	Asked  Syntax // the interface that ept_map asked for; zero if that is not known
	Status uint32 // 0, NotRegistered or another; of an answer that was read
	Left   Left
	Towers []Endpoint // of an answer that was read
}

// Endpoint is a tower of an answer.
type Endpoint struct {
	Tower      // as the server gave it
	Given bool // it has a route, whose port the client is given
}

// FromClient takes in p, which the client says, and appends to dst what to pass
// on to the server: p. The error, which comes once, tells that the client does not
// speak DCE/RPC; p is passed on nevertheless.
func (m *Mapper) FromClient(dst, p []byte) ([]byte, error) {
	dst = append(dst, p...)
	s := &m.client
	s.reader.Whole = fromClient
	for len(p) > 0 && !s.broken {
		piece, used, err := s.reader.Next(p)
		if err != nil {
			return dst, s.give()
		}
		p = p[used:]
		if piece.Whole {
			m.learn(piece.Octets, piece.Header.Type)
		}
	}
	return dst, nil
}

// give gives a side up.
func (s *stream) give() error {
	*s = stream{broken: true}
	return ErrHeader
}

// learn takes in a PDU of the client.
func (m *Mapper) learn(pdu []byte, t Type) {
	if t != TypeRequest {
		if b, err := ParseBind(pdu); err == nil {
			m.contexts.offer(&b)
		}
		return
	}
	r, err := ParseRequest(pdu)
	if err != nil {
		return
	}
	if r.Header.Flags&First != 0 {
		m.request.Reset()
		e, ok := m.contexts.encoding(r.Context)
		if !ok || r.Op != OpMap && r.Op != OpLookup {
			m.calls.take(r.Header.Call) // the number of an old call is used again
			return
		}
		m.calls.add(call{id: r.Header.Call, op: r.Op, wide: e, open: true})
	}
	m.ask(pdu, &r)
}

// ask reads for which interface a request asks.
func (m *Mapper) ask(pdu []byte, r *Request) {
	c := m.calls.find(r.Header.Call)
	if c == nil || c.op != OpMap || r.Auth.Protects() {
		return
	}
	m.request.MaxOctets, m.request.MaxFragments = requestOctets, requestFragments
	done, err := m.request.Add(pdu)
	if err != nil {
		m.request.Reset()
		return
	}
	if !done {
		return
	}
	q, err := ParseMapRequest(m.request.Stub(), Encoding{BigEndian: r.Header.Drep.BigEndian(), NDR64: c.wide})
	if err == nil {
		if t, err := ParseTower(q.Tower); err == nil {
			c.asked = t.Interface
		}
	}
	m.request.Reset()
}

// FromServer takes in p, which the server says, and appends to dst what to pass
// on to the client now; tb are the routes of this moment. The error, which comes
// once, tells that the server does not speak DCE/RPC; what it says is passed on
// nevertheless.
func (m *Mapper) FromServer(dst, p []byte, tb Table) ([]byte, error) {
	s := &m.server
	s.reader.Whole = fromServer
	for len(p) > 0 && !s.broken {
		piece, used, err := s.reader.Next(p)
		p = p[used:]
		if err != nil {
			dst = append(m.release(dst), s.reader.Rest()...)
			return append(dst, p...), s.give()
		}
		switch {
		case len(piece.Octets) == 0:
		case piece.Whole && piece.Header.Type == TypeResponse:
			dst = m.respond(dst, piece.Octets, tb)
		default:
			dst = append(m.release(dst), piece.Octets...)
			if piece.Whole {
				m.note(piece.Octets, &piece.Header)
			}
		}
	}
	return append(dst, p...), nil
}

// note takes in a PDU of the server that is no answer.
func (m *Mapper) note(pdu []byte, h *Header) {
	if h.Type == TypeFault {
		m.calls.take(h.Call)
		return
	}
	if b, err := ParseBindAck(pdu); err == nil {
		m.contexts.accept(&b)
	}
}

// respond takes in a response PDU.
func (m *Mapper) respond(dst, pdu []byte, tb Table) []byte {
	r, err := ParseResponse(pdu)
	if !m.response.Empty() && (err != nil || r.Header.Flags&First != 0 || r.Header.Call != m.response.Header().Call) {
		dst = m.release(dst)
	}
	if err != nil || m.calls.find(r.Header.Call) == nil {
		return append(m.release(dst), pdu...)
	}
	if r.Auth.Protects() {
		return append(m.leave(dst, r.Header.Call, Protected), pdu...)
	}
	done, err := m.response.Add(pdu)
	switch {
	case errors.Is(err, errLimit):
		return append(m.leave(dst, r.Header.Call, TooLong), pdu...)
	case err != nil:
		return append(m.leave(dst, r.Header.Call, Unread), pdu...)
	case m.Mode == Pass:
		dst = append(dst, pdu...)
	}
	if done {
		m.read(tb)
		dst = m.pass(dst)
	}
	return dst
}

// release appends what is held of an answer that is not going to be whole.
func (m *Mapper) release(dst []byte) []byte {
	if m.response.Empty() {
		return dst
	}
	return m.leave(dst, m.response.Header().Call, Disturbed)
}

// leave appends what is held, as it came, and tells why.
func (m *Mapper) leave(dst []byte, id uint32, why Left) []byte {
	if c, ok := m.calls.take(id); ok && m.OnAnswer != nil {
		m.answer = Answer{Op: c.op, Asked: c.asked, Left: why, Towers: m.answer.Towers[:0]}
		m.OnAnswer(&m.answer)
	}
	return m.pass(dst)
}

// pass appends what is held.
func (m *Mapper) pass(dst []byte) []byte {
	if m.Mode == Rewrite {
		dst = append(dst, m.response.Raw()...)
	}
	m.response.Reset()
	return dst
}

// read reads the answer that is whole, and puts our ports in.
func (m *Mapper) read(tb Table) {
	h := m.response.Header()
	c, _ := m.calls.take(h.Call)
	stub := m.response.Stub()
	towers, status, err := c.towers(stub, h.Drep.BigEndian())
	if m.Mode == Pass {
		tb = nil
	}
	m.answer = Answer{Op: c.op, Asked: c.asked, Status: status, Towers: m.answer.Towers[:0]}
	if err != nil {
		m.answer.Left = Unread
	}
	for _, octets := range towers {
		t, err := ParseTower(octets)
		if err == nil {
			m.answer.Towers = append(m.answer.Towers, Endpoint{Tower: t, Given: tb.rewrite(octets, &t)})
		}
	}
	m.response.SetStub(stub)
	if m.OnAnswer != nil {
		m.OnAnswer(&m.answer)
	}
	if len(m.answer.Towers) > fewTowers {
		m.answer.Towers = nil
	}
}

// fewTowers are kept room for between answers.
const fewTowers = 8

// Rest appends what is held of what the server said, at the end of its stream.
func (m *Mapper) Rest(dst []byte) []byte {
	dst = m.release(dst)
	return append(dst, m.server.reader.Rest()...)
}
