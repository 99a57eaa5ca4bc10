package msrpc

import (
	"bytes"
	"testing"
)

func TestAssociation(t *testing.T) {
	nak := (&BindNak{Header: header(LittleEndian, TypeBindNak, 1), Reason: 4}).AppendTo(nil)
	for name, drep := range orders {
		bind := (&Bind{Header: header(drep, TypeBind, 1), Association: 0x01020304}).AppendTo(nil)
		ack := (&BindAck{Header: header(drep, TypeBindAck, 1), Association: 0x0a0b0c0d, Address: []byte("59532")}).AppendTo(nil)
		short := bytes.Clone(bind[:16])
		drep.order().put16(short[8:], 20)
		alter := bytes.Clone(bind)
		alter[2] = byte(TypeAlterContext)
		tests := []struct {
			name           string
			client, server []byte
			asked, got     uint32
			bound          bool
		}{
			{"joined", bind, ack, 0x01020304, 0x0a0b0c0d, true},
			{"begins", unhex(t, epmBind), unhex(t, epmAck), 0, 0x5c09, true},
			{"refused", bind, nak, 0x01020304, 0, true},
			{"garbage", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), 0, 0, false},
			{"garbage-behind-bind", append(bytes.Clone(bind), "GET /"...), append(bytes.Clone(ack), "GET /"...), 0x01020304, 0x0a0b0c0d, true},
			{"bind-too-short", short, ack, 0, 0x0a0b0c0d, false},
			{"no-bind", alter, bind, 0, 0, false},
		}
		for _, tt := range tests {
			t.Run(name+"-"+tt.name, func(t *testing.T) {
				var a Association
				offered := offer(t, tt.client, a.Client)
				answered := offer(t, tt.server, a.Server)
				if a.Asked() != tt.asked || a.Got() != tt.got || a.Bound() != tt.bound {
					t.Errorf("asked %x, got %x, bound %v; want %x, %x, %v", a.Asked(), a.Got(), a.Bound(), tt.asked, tt.got, tt.bound)
				}
				if offered > AssociationOctets || answered > AssociationOctets {
					t.Errorf("it took %d and %d octets; want at most %d", offered, answered, AssociationOctets)
				}
			})
		}
	}
}

// offer offers ever more of p, until all is read, and returns how much it took.
// Whoever offers more at once hears the same.
func offer(tb testing.TB, p []byte, look func([]byte) Verdict) int {
	tb.Helper()
	n := 0
	for n < len(p) && look(p[:n]) == More {
		n++
	}
	if look(p[:n]) != All || look(p) != All {
		tb.Errorf("%d octets %x are not enough", len(p), p)
	}
	return n
}
