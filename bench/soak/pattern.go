package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// The bodies of a request.
const (
	upward   = 1 // from client to server
	downward = 2 // from server to client
)

// pattern is the endless text from which a body is cut: it follows from the
// number of the request and the direction alone, so that both ends know it and
// no two requests have the same.
type pattern struct {
	id, direction uint64

	source rand.PCG
	word   [8]byte
	left   int // octets of word not used
	at     int64
	want   [4 << 10]byte // scratch of check
}

func newPattern(id, direction uint64) *pattern {
	p := &pattern{id: id, direction: direction}
	p.source.Seed(id, direction)
	return p
}

// fill sets b to the next octets.
func (p *pattern) fill(b []byte) {
	p.at += int64(len(b))
	for len(b) > 0 {
		if p.left == 0 && len(b) >= 8 { // common case
			binary.LittleEndian.PutUint64(b, p.source.Uint64())
			b = b[8:]
			continue
		}
		if p.left == 0 {
			binary.LittleEndian.PutUint64(p.word[:], p.source.Uint64())
			p.left = 8
		}
		n := copy(b, p.word[8-p.left:])
		p.left -= n
		b = b[n:]
	}
}

// check compares b with the next octets. It returns what differs; nil if nothing
// does.
func (p *pattern) check(b []byte) *difference {
	for len(b) > 0 {
		n := min(len(b), len(p.want))
		begin := p.at
		p.fill(p.want[:n])
		if !bytes.Equal(b[:n], p.want[:n]) {
			for i := range n {
				if b[i] != p.want[i] {
					return &difference{p.id, p.direction, begin + int64(i), bytes.Clone(b[i:])}
				}
			}
		}
		b = b[n:]
	}
	return nil
}

// difference is where a body is not what it must be.
type difference struct {
	id, direction uint64
	at            int64  // offset of the first wrong octet
	got           []byte // from there on
}

// How far String looks for octets that are in the wrong place.
const (
	soughtHere  = 8 << 20   // of the body that they came in
	soughtThere = 128 << 10 // of the bodies of other requests
	soughtIDs   = 200       // before and behind the request
)

// String tells where, and whose octets they are: of another place of the body, if
// some are missing or come twice, or of another request.
func (d *difference) String() string {
	text := fmt.Sprintf("octet %d is wrong: %.32x", d.at, d.got)
	if len(d.got) < 8 {
		return text
	}
	if at := d.find(d.id, d.direction, soughtHere); at >= 0 {
		return fmt.Sprintf("%s, which is octet %d of it", text, at)
	}
	for id := max(d.id, soughtIDs) - soughtIDs; id < d.id+soughtIDs; id++ {
		for _, direction := range []uint64{upward, downward} {
			if at := d.find(id, direction, soughtThere); at >= 0 {
				return fmt.Sprintf("%s, which is octet %d of a body of request %d (1 request, 2 response: %d)", text, at, id, direction)
			}
		}
	}
	return text
}

// find returns where the octets are in the first n of a body; -1 if they are not.
func (d *difference) find(id, direction uint64, n int) int {
	body := make([]byte, n)
	newPattern(id, direction).fill(body)
	return bytes.Index(body, d.got[:8])
}
