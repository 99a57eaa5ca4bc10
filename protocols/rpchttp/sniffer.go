package rpchttp

import "encoding/binary"

// Kind says what a channel is begun with.
type Kind uint8

// The kinds of a first PDU.
const (
	None   Kind = iota // no PDU that begins a channel
	ConnA1             // an OUT channel, of a new virtual connection
	ConnB1             // an IN channel, of a new virtual connection
	NewOut             // an OUT channel that replaces another: OUT_R1/A3, OUT_R2/A3
	NewIn              // an IN channel that replaces another: IN_R1/A1, IN_R2/A1
)

// String returns the kind's name in [MS-RPCH].
func (k Kind) String() string {
	return [...]string{"none", "CONN/A1", "CONN/B1", "OUT_R1/A3", "IN_R1/A1"}[k]
}

// Out reports whether the channel is an OUT channel.
func (k Kind) Out() bool { return k == ConnA1 || k == NewOut }

// Successor reports whether the channel replaces another one of its connection.
func (k Kind) Successor() bool { return k == NewOut || k == NewIn }

// First is what the first PDU of a channel says. The zero value says nothing.
type First struct {
	Kind    Kind
	Virtual Cookie // of the virtual connection that the channel is of
}

// All that begins a channel starts alike: header, Version, and the cookie of the
// virtual connection.
const (
	versionAt   = HeaderOctets
	cookieAt    = versionAt + 8
	virtualAt   = cookieAt + 4
	firstOctets = virtualAt + len(Cookie{})
)

// Sniffer finds out what a channel begins with while its octets stream by. It
// takes copies of as many of them as it needs, and never more. The zero value is
// ready.
type Sniffer struct {
	held  [firstOctets]byte
	n     uint8
	over  bool
	first First
}

// See takes in the next octets of the channel and returns how many of them it has
// looked at. Over tells that no more are needed.
func (s *Sniffer) See(p []byte) (n int, over bool) {
	if s.over {
		return 0, true
	}
	n = copy(s.held[s.n:], p)
	s.n += uint8(n)
	if !plausible(s.held[:s.n]) {
		s.over = true
	} else if int(s.n) == firstOctets {
		s.first, s.over = judge(&s.held), true
	}
	return n, s.over
}

// First returns what the channel begins with; the zero First until that is known,
// and where it is nothing that begins one.
func (s *Sniffer) First() First { return s.first }

// plausible reports whether an RTS PDU may begin with p.
func plausible(p []byte) bool {
	start := [...]byte{version, 0, ptypeRTS, firstLast, littleASCII}
	for i := range min(len(p), len(start)) {
		if p[i] != start[i] {
			return false
		}
	}
	return true
}

// judge says what begins a channel with these octets.
func judge(p *[firstOctets]byte) First {
	h, err := parseHeader(p[:])
	if err != nil || h.length < firstOctets ||
		Command(binary.LittleEndian.Uint32(p[versionAt:])) != Version ||
		Command(binary.LittleEndian.Uint32(p[cookieAt:])) != ChannelCookie {
		return First{}
	}
	f := First{Virtual: Cookie(p[virtualAt:])}
	switch {
	case f.Virtual.IsZero():
	case h.flags == 0 && h.commands == 4:
		f.Kind = ConnA1
	case h.flags == 0 && h.commands == 6:
		f.Kind = ConnB1
	case h.flags == RecycleChannel && h.commands == 5:
		f.Kind = NewOut
	case h.flags == RecycleChannel && h.commands == 4:
		f.Kind = NewIn
	}
	if f.Kind == None {
		return First{}
	}
	return f
}
