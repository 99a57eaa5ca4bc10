package persistence

import (
	"math"
	"math/bits"
	"sync"
)

// tally counts the identities behind one address in 16 octets. Each sets one of
// 32 bits, chosen by its hash, in the generation in which it is seen; how many
// there are follows from how many bits are set in the current generation and the
// last (linear counting; Whang, Vander-Zanden and Taylor, 1990). That tells one
// from several, and up to some ten: what comes near to being shared gets a crowd.
type tally struct {
	tag   uint32 // part of the address's key; the shard is chosen by another
	start uint32 // second in which the current generation began; 0: the slot is free
	now   uint32 // bits of the current generation
	last  uint32 // bits of the one before
}

const (
	tallyBits   = 32 // of a generation
	tallyOctets = 16
)

// tallyBit is the bit of the identity id.
func tallyBit(id uint64) uint32 { return 1 << (id >> 59) }

// The bounds of a generation, in seconds.
const (
	minGeneration = 60
	maxGeneration = 30 * 60
)

// generation returns how many seconds a generation lasts where bindings live for
// timeout seconds without use: a quarter of that, within bounds. Who was seen in
// the current generation or the last is in use, so whoever was seen within one
// generation is, and nobody who was not within two.
func generation(timeout uint32) uint32 { return min(max(timeout/4, minGeneration), maxGeneration) }

// elapsed returns the seconds from since to sec; none if the clock was set back.
func elapsed(since, sec uint32) uint32 { return uint32(max(int32(sec-since), 0)) }

// see takes in that id was seen at sec, and returns how many bits are set.
func (t *tally) see(sec, span uint32, id uint64) int {
	switch age := elapsed(t.start, sec); {
	case age < span:
	case age < 2*span:
		t.now, t.last, t.start = 0, t.now, sec
	default:
		t.now, t.last, t.start = 0, 0, sec
	}
	t.now |= tallyBit(id)
	return bits.OnesCount32(t.now | t.last)
}

// set returns the bits that count at sec.
func (t *tally) set(sec, span uint32) uint32 {
	switch age := elapsed(t.start, sec); {
	case age < span:
		return t.now | t.last
	case age < 2*span:
		return t.now
	default:
		return 0
	}
}

// idle reports whether the tally says nothing any more, whatever its generation.
func (t *tally) idle(sec uint32) bool {
	return t.start == 0 || elapsed(t.start, sec) >= 2*maxGeneration
}

// estimate returns how many identities have set that many of size bits.
func estimate(ones, size int) int {
	free := max(float64(size-ones), 0.5) // with no bit left the count is out of reach
	return int(math.Round(float64(size) * math.Log(float64(size)/free)))
}

const (
	tallyShards  = 64      // each with a lock of its own
	tallyWays    = 8       // tallies of a bucket: two lines of the processor's cache
	leastTallies = 16      // of a shard that has any
	mostTallies  = 1 << 14 // of a shard: a million in all, in 16 MiB
)

// tallies are a hash table of buckets. It grows with its content up to a limit; a
// full bucket, as one address in forty meets, gives up the tally whose generation is
// the oldest: that count comes back with the next requests.
type tallies struct {
	mu   sync.Mutex // guards the fields below; held for one lookup, or to grow
	all  []tally    // bucket by bucket
	used int
}

// bucket returns the tallies among which that of tag stands.
func (s *tallies) bucket(tag uint32) []tally {
	hi, _ := bits.Mul32(tag, uint32(len(s.all)/tallyWays))
	return s.all[int(hi)*tallyWays:][:tallyWays]
}

// find returns the tally of tag, or nil.
func (s *tallies) find(tag uint32) *tally {
	if len(s.all) == 0 {
		return nil
	}
	b := s.bucket(tag)
	for i := range b {
		if b[i].tag == tag && b[i].start != 0 {
			return &b[i]
		}
	}
	return nil
}

// add returns an empty tally for tag, which has none yet.
func (s *tallies) add(sec, tag uint32) *tally {
	if 8*s.used >= 5*len(s.all) && len(s.all) < mostTallies {
		s.grow(sec)
	}
	b := s.bucket(tag)
	t := &b[0]
	for i := range b {
		if b[i].start == 0 {
			t = &b[i]
			s.used++
			break
		}
		if elapsed(b[i].start, sec) > elapsed(t.start, sec) {
			t = &b[i]
		}
	}
	*t = tally{tag: tag, start: max(sec, 1)}
	return t
}

// free gives up t.
func (s *tallies) free(t *tally) {
	*t = tally{}
	s.used--
}

// grow leaves behind what is idle, and takes twice the room if too little is.
func (s *tallies) grow(sec uint32) {
	old, live := s.all, 0
	for i := range old {
		if !old[i].idle(sec) {
			live++
		}
	}
	n := max(len(old), leastTallies)
	if 2*live > n {
		n *= 2
	}
	s.all, s.used = make([]tally, n), 0
	for i := range old {
		if old[i].idle(sec) {
			continue
		}
		b := s.bucket(old[i].tag)
		for j := range b { // the tallies of a bucket came from one, so there is room
			if b[j].start == 0 {
				b[j] = old[i]
				s.used++
				break
			}
		}
	}
}
