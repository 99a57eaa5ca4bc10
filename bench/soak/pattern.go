package main

import (
	"bytes"
	"encoding/binary"
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
	source rand.PCG
	word   [8]byte
	left   int // octets of word not used
	at     int64
}

func newPattern(id, direction uint64) *pattern {
	p := new(pattern)
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

// check compares b with the next octets. It returns the offset in the body of
// the first one that differs, or -1.
func (p *pattern) check(b []byte) int64 {
	var want [16 << 10]byte
	for len(b) > 0 {
		n := min(len(b), len(want))
		begin := p.at
		p.fill(want[:n])
		if !bytes.Equal(b[:n], want[:n]) {
			for i := range n {
				if b[i] != want[i] {
					return begin + int64(i)
				}
			}
		}
		b = b[n:]
	}
	return -1
}
