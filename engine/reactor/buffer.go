//go:build linux

package reactor

// The sizes of lent buffers, in octets, and how many of each a loop keeps. A
// head or a message of a kilobyte fits the first, a record of TLS the second,
// one read of the loop, sealed, the third.
var classes = [...]struct{ size, keep int }{{4 << 10, 512}, {20 << 10, 128}, {68 << 10, 32}, {huge, 16}}

// The bounds of what one leg holds, in octets.
const (
	scratchSize = 64 << 10  // one read
	huge        = 128 << 10 // left unread by the core: reading stops
)

// buffer holds octets of one leg: those between r and w.
type buffer struct {
	b    []byte
	r, w int
	next *buffer // in the list of free ones
}

func (b *buffer) octets() []byte { return b.b[b.r:b.w] }
func (b *buffer) room() []byte   { return b.b[b.w:] }

// buffers lends buffers to the legs of one loop. A leg has one only while it
// holds octets: an idle connection has none.
type buffers struct {
	free [len(classes)]*buffer
	kept [len(classes)]int
}

// get lends an empty buffer for n octets.
func (s *buffers) get(n int) *buffer {
	for i := range classes {
		if n > classes[i].size {
			continue
		}
		b := s.free[i]
		if b == nil {
			return &buffer{b: make([]byte, classes[i].size)}
		}
		s.free[i], b.next = b.next, nil
		s.kept[i]--
		b.r, b.w = 0, 0
		return b
	}
	return &buffer{b: make([]byte, n)}
}

// put takes a buffer back; nil is nothing.
func (s *buffers) put(b *buffer) {
	if b == nil {
		return
	}
	poison(b.b)
	for i := range classes {
		if len(b.b) == classes[i].size && s.kept[i] < classes[i].keep {
			b.next, s.free[i] = s.free[i], b
			s.kept[i]++
			return
		}
	}
}

// add appends p to b, which may be nil and may be replaced by a larger one.
func (s *buffers) add(b *buffer, p []byte) *buffer {
	if b == nil {
		b = s.get(len(p))
	} else if len(b.b)-b.w < len(p) {
		b = s.grow(b, len(p))
	}
	b.w += copy(b.b[b.w:], p)
	return b
}

// grow makes room for n more octets in b.
func (s *buffers) grow(b *buffer, n int) *buffer {
	held := b.w - b.r
	if held+n <= len(b.b) && b.r >= held { // worth a copy, and none over itself
		b.w = copy(b.b, b.octets())
		b.r = 0
		return b
	}
	need := held + n
	if need > huge {
		need = max(need, 2*len(b.b)) // a core that ignores full may send at length
	}
	next := s.get(need)
	next.w = copy(next.b, b.octets())
	s.put(b)
	return next
}
