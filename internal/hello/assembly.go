package hello

import "sync"

// Records of a handshake (RFC 8446, Section 5.1).
const (
	recordHead = 5
	handshake  = 22
	maxRecord  = 1 << 14 // octets of content
)

// Assembly finds the first message of one side in the records that hold it. It is
// offered the same octets again with more behind them, and looks at each record
// once, however the octets are cut. The zero value is ready.
type Assembly struct {
	next int // where the first record begins that was not whole
	have int // octets of the message in the records before that
	head [messageHead]byte
}

// whole reports whether p, all octets of that side so far, holds the message
// whole. It must be of that type. An alert says what is wrong with it.
func (a *Assembly) whole(p []byte, kind byte) (bool, Alert) {
	p = p[:min(len(p), MaxOctets)]
	for {
		rest := p[a.next:]
		n, alert := recordLength(rest)
		switch {
		case alert != NoAlert:
			return false, alert
		case n == 0:
			return false, tooLong(len(p))
		}
		body := rest[recordHead:min(recordHead+n, len(rest))]
		head, have := a.with(body)
		enough, alert := judge(head, have, kind)
		switch {
		case enough || alert != NoAlert:
			return enough, alert
		case len(body) < n:
			return false, tooLong(len(p))
		}
		a.head, a.have, a.next = head, have, a.next+recordHead+n
	}
}

// with returns the head of the message and how many octets of it are there, with
// those of one more record.
func (a *Assembly) with(body []byte) (head [messageHead]byte, have int) {
	head = a.head
	if a.have < messageHead {
		copy(head[a.have:], body)
	}
	return head, a.have + len(body)
}

// judge reports whether that many octets are enough for the message that begins so.
func judge(head [messageHead]byte, have int, kind byte) (bool, Alert) {
	switch {
	case have > 0 && head[0] != kind:
		return false, DecodeError
	case have < messageHead:
		return false, NoAlert
	}
	want := messageLength(head[:])
	if want+recordHead > MaxOctets {
		return false, DecodeError
	}
	return have >= want, NoAlert
}

// tooLong refuses a message that n octets do not hold whole if it may have no more.
func tooLong(n int) Alert {
	if n == MaxOctets {
		return DecodeError
	}
	return NoAlert
}

// recordLength returns how long the content is of the record that p begins with;
// 0 if that is not known yet. What cannot be a record is refused at its first
// octet.
func recordLength(p []byte) (int, Alert) {
	switch {
	case len(p) == 0:
		return 0, NoAlert
	case p[0]&0x80 != 0:
		return 0, ProtocolVersion // as SSL 2.0 begins (RFC 5246, Appendix E.2)
	case p[0] != handshake:
		return 0, DecodeError
	case len(p) > 1 && p[1] != 3:
		return 0, ProtocolVersion
	case len(p) < recordHead:
		return 0, NoAlert
	}
	n := int(p[3])<<8 | int(p[4])
	if n == 0 || n > maxRecord {
		return 0, DecodeError
	}
	return n, NoAlert
}

// messageLength returns how long the message is that begins so, its head included.
func messageLength(head []byte) int {
	return messageHead + int(head[1])<<16 + int(head[2])<<8 + int(head[3])
}

// rooms are where messages are put together that several records hold.
var rooms = sync.Pool{New: func() any { return new([MaxOctets]byte) }}

// withMessage has read look at the content of the message in p, which is whole.
func withMessage(p []byte, read func([]byte) Alert) Alert {
	n, _ := recordLength(p)
	first := p[recordHead:min(recordHead+n, len(p))]
	if len(first) >= messageHead && len(first) >= messageLength(first) {
		return read(first[messageHead:messageLength(first)]) // common case
	}
	room := rooms.Get().(*[MaxOctets]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer rooms.Put(room)
	m := room[:0]
	for len(m) < messageHead || len(m) < messageLength(m) {
		n, _ := recordLength(p)
		end := min(recordHead+n, len(p), recordHead+cap(m)-len(m))
		m = append(m, p[recordHead:end]...)
		p = p[end:]
	}
	return read(m[messageHead:messageLength(m)])
}
