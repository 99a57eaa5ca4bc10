package persistence

import (
	"encoding/binary"
	"math/bits"
)

// sip is SipHash-2-4 with 128 bits of output, by Aumasson and Bernstein, fed
// piece by piece. It is a value: a copy goes on from where the original stands,
// so that what all keys of a step have in common is hashed once.
//
// The hash is keyed, because clients choose much of what is hashed: with a hash
// that they can compute they could aim many keys at one place of the table, or
// make a key that equals another client's. It is this one, because it is made
// for short inputs (a key takes about 50 ns, BenchmarkKey) and is the same on
// every node that has the secret, which hash/maphash is not. It has 128 bits, so
// that a slot need not keep what was hashed: that two of 10 million keys are
// equal has a chance below 10^-24.
type sip struct {
	v0, v1, v2, v3 uint64

	tail uint64 // octets not taken in yet, the first one lowest
	n    uint64 // octets fed so far
}

// newSip returns the hash of no octets under the secret.
func newSip(secret Secret) sip {
	k0 := binary.LittleEndian.Uint64(secret[:8])
	k1 := binary.LittleEndian.Uint64(secret[8:])
	return sip{
		v0: k0 ^ 0x736f6d6570736575,
		v1: k1 ^ 0x646f72616e646f6d ^ 0xee, // 0xee asks for 128 bits
		v2: k0 ^ 0x6c7967656e657261,
		v3: k1 ^ 0x7465646279746573,
	}
}

// write feeds p.
func (s *sip) write(p []byte) {
	for len(p) > 0 && s.n&7 != 0 {
		s.writeByte(p[0])
		p = p[1:]
	}
	for len(p) >= 8 {
		s.block(binary.LittleEndian.Uint64(p))
		s.n += 8
		p = p[8:]
	}
	for _, c := range p {
		s.writeByte(c)
	}
}

// writeByte feeds one octet.
func (s *sip) writeByte(c byte) {
	s.tail |= uint64(c) << (8 * (s.n & 7))
	s.n++
	if s.n&7 == 0 {
		s.block(s.tail)
		s.tail = 0
	}
}

// writeField feeds p with its length in front, so that two lists of fields
// never give the same octets.
func (s *sip) writeField(p []byte) {
	var length [4]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(p)))
	s.write(length[:])
	s.write(p)
}

// block takes in eight octets.
func (s *sip) block(m uint64) {
	s.v3 ^= m
	s.round()
	s.round()
	s.v0 ^= m
}

// sum returns the hash of what was fed; s itself can go on.
func (s *sip) sum() Key {
	end := *s
	end.block(end.tail | end.n<<56)
	end.v2 ^= 0xee
	for range 4 {
		end.round()
	}
	lo := end.v0 ^ end.v1 ^ end.v2 ^ end.v3
	end.v1 ^= 0xdd
	for range 4 {
		end.round()
	}
	return Key{lo: lo, hi: end.v0 ^ end.v1 ^ end.v2 ^ end.v3}
}

func (s *sip) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}
