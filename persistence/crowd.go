package persistence

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync/atomic"
)

const (
	crowdBits  = 2048 // of a generation: a count of 3,000 is right to 2 %, one of 10,000 to 5 %
	crowdWords = crowdBits / 64

	// mostClients is what a crowd cannot count beyond: bits are all set by then.
	mostClients = 15_000

	// calm is for how many seconds an address must stay below half of what makes
	// it shared, before it is not shared any more.
	calm = 3600
)

// crowd counts the identities behind one address that is shared, or near to it:
// as a tally does, in more bits. It also holds the address itself, which cannot
// be found from its key.
//
// Its fields are atomic because requests read it without a lock, and set bits
// that are set already without doing anything: most do.
type crowd struct {
	bits  [2][crowdWords]atomic.Uint64 // of two generations by turns
	turn  atomic.Uint32                // index of the current one
	start atomic.Uint32                // second in which that began
	span  atomic.Uint32                // seconds that it lasts

	clients atomic.Uint32 // the estimate
	since   atomic.Uint32 // second since when the address is shared; 0: it is not
	low     atomic.Uint32 // second since when it is below half; 0: it is not
	first   atomic.Uint32 // second in which the crowd was begun

	told   atomic.Uint32 // second of a request of which the address was set aside
	untold atomic.Uint32 // second of one that only the address could decide for

	scope  atomic.Uint64    // hash of the scope
	prefix atomic.Uint32    // bits of the address that count
	addr   [2]atomic.Uint64 // the address in 16 octets

	// Identities that the tally counted before it became a crowd are known by its
	// bits only. Such a bit counts until an identity that sets it is seen again.
	// Of a position among crowdBits, the last five binary digits are the tally's bit.
	kept [2]uint32 // bits that the tally had, by generation; guarded by the set's lock
	seen [2]uint32 // bits of tallies that were seen since; likewise
}

// crowdPos returns the word and bit of the identity id.
func crowdPos(id uint64) (word int, bit uint64, small uint32) {
	small = uint32(id >> 59)
	pos := int(id>>48)&(crowdBits/tallyBits-1)*tallyBits + int(small)
	return pos / 64, 1 << (pos % 64), 1 << small
}

// begin makes the crowd that of an address that t has counted so far.
func (c *crowd) begin(sec, span uint32, a *crowdAddr, t tally) {
	for g := range c.bits {
		for i := range c.bits[g] {
			c.bits[g][i].Store(0)
		}
	}
	start := sec
	if t.start != 0 {
		start = t.start
	}
	turn := c.turn.Load() & 1
	c.kept, c.seen = [2]uint32{}, [2]uint32{}
	c.kept[turn], c.kept[turn^1] = t.now, t.last
	c.start.Store(start)
	c.span.Store(span)
	c.since.Store(0)
	c.low.Store(0)
	c.told.Store(0)
	c.untold.Store(0)
	c.first.Store(sec)
	c.scope.Store(a.scope)
	c.prefix.Store(uint32(a.prefix.Bits()))
	octets := a.prefix.Addr().As16()
	for i := range c.addr {
		c.addr[i].Store(binary.BigEndian.Uint64(octets[8*i:]))
	}
	c.count()
}

// knows reports whether id was seen in the generation of sec: nothing is to be
// done then.
func (c *crowd) knows(sec, span uint32, id uint64) bool {
	word, bit, _ := crowdPos(id)
	return elapsed(c.start.Load(), sec) < span && c.bits[c.turn.Load()&1][word].Load()&bit != 0
}

// has reports whether id counts at the moment.
func (c *crowd) has(id uint64) bool {
	word, bit, _ := crowdPos(id)
	return (c.bits[0][word].Load()|c.bits[1][word].Load())&bit != 0
}

// see takes in that id was seen. The caller holds the set's lock.
func (c *crowd) see(sec, span uint32, id uint64) {
	c.roll(sec, span)
	turn := c.turn.Load() & 1
	word, bit, small := crowdPos(id)
	c.bits[turn][word].Or(bit)
	c.seen[turn] |= small
	c.count()
}

// roll begins a new generation if it is time. The caller holds the set's lock.
func (c *crowd) roll(sec, span uint32) {
	age := elapsed(c.start.Load(), sec)
	c.span.Store(span)
	if age < span {
		return
	}
	turn := c.turn.Load() & 1
	for range 2 {
		turn ^= 1
		for i := range c.bits[turn] {
			c.bits[turn][i].Store(0)
		}
		c.kept[turn], c.seen[turn] = 0, 0
		if age < 2*span {
			break
		}
	}
	c.start.Store(sec)
	c.turn.Store(turn)
	c.count()
}

// count takes the estimate anew. The caller holds the set's lock.
func (c *crowd) count() {
	ones := 0
	for i := range crowdWords {
		ones += bits.OnesCount64(c.bits[0][i].Load() | c.bits[1][i].Load())
	}
	kept := (c.kept[0] | c.kept[1]) &^ (c.seen[0] | c.seen[1])
	n := estimate(ones, crowdBits) + estimate(bits.OnesCount32(kept), tallyBits)
	c.clients.Store(uint32(min(n, mostClients)))
}

// judge decides whether the address is shared, by a chain that takes it for that
// from after clients on; 0: never. The caller holds the set's lock.
func (c *crowd) judge(sec, after uint32) {
	n := c.clients.Load()
	if c.since.Load() != 0 && !c.shared(sec) {
		c.since.Store(0)
	}
	switch {
	case after == 0:
	case n >= after:
		if c.since.Load() == 0 {
			c.since.Store(sec)
		}
		c.low.Store(0)
	case 2*n >= after:
		c.low.Store(0)
	case c.low.Load() == 0:
		c.low.Store(sec)
	}
}

// over returns the second from which on nobody counts who was seen up to now.
func (c *crowd) over() uint32 { return c.start.Load() + 2*c.span.Load() }

// at returns the estimate at sec: none if nobody was seen for long.
func (c *crowd) at(sec uint32) int {
	if int32(sec-c.over()) >= 0 {
		return 0
	}
	return int(c.clients.Load())
}

// shared reports whether the address is shared at sec.
func (c *crowd) shared(sec uint32) bool {
	if c.since.Load() == 0 {
		return false
	}
	low := c.low.Load()
	if over := c.over(); low == 0 && int32(sec-over) > 0 {
		low = over
	}
	return low == 0 || elapsed(low, sec) < calm
}

// address returns the address that the crowd is of.
func (c *crowd) address() netip.Prefix {
	var octets [16]byte
	for i := range c.addr {
		binary.BigEndian.PutUint64(octets[8*i:], c.addr[i].Load())
	}
	return netip.PrefixFrom(netip.AddrFrom16(octets).Unmap(), int(c.prefix.Load()))
}
