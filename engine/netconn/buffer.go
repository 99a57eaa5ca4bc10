package netconn

import "sync"

// The sizes of pooled buffers, in octets.
const (
	small = 16 << 10  // one read of a leg that a core looks at
	large = 64 << 10  // one read of a Move
	huge  = 128 << 10 // the most that a leg keeps unread by its core
)

// buffer is a slice that is lent out by a pool. It belongs to one leg at a
// time and may cross goroutines with it, under the mutex of the connection.
type buffer struct{ b []byte }

// pools holds the buffers of each size. BenchmarkEcho allocates 16 KiB a turn
// without them.
var pools = [...]sync.Pool{
	{New: func() any { return &buffer{make([]byte, small)} }},
	{New: func() any { return &buffer{make([]byte, large)} }},
	{New: func() any { return &buffer{make([]byte, huge)} }},
}

// poolOf returns the index of the pool of the smallest buffers that hold n
// octets, or -1 if n is too much for any.
func poolOf(n int) int {
	switch {
	case n <= small:
		return 0
	case n <= large:
		return 1
	case n <= huge:
		return 2
	}
	return -1
}

// getBuffer lends a buffer of at least n octets; len is all of it.
func getBuffer(n int) *buffer {
	i := poolOf(n)
	if i < 0 {
		return &buffer{make([]byte, n)}
	}
	b, _ := pools[i].Get().(*buffer)
	b.b = b.b[:cap(b.b)]
	return b
}

// putBuffer gives b back; nil is nothing.
func putBuffer(b *buffer) {
	if b == nil {
		return
	}
	// A size between two classes came from no pool.
	if i := poolOf(cap(b.b)); i >= 0 && (cap(b.b) == small || cap(b.b) == large || cap(b.b) == huge) {
		pools[i].Put(b)
	}
}

// appendTo appends p to b, which may be nil and may be replaced by a larger one.
func appendTo(b *buffer, p []byte) *buffer {
	if b == nil {
		b = getBuffer(len(p))
		b.b = b.b[:0]
	}
	if need := len(b.b) + len(p); need > cap(b.b) {
		// Past the largest class a buffer at least doubles: a core that
		// ignores full may send at length.
		if need > huge {
			need = max(need, 2*cap(b.b))
		}
		next := getBuffer(need)
		next.b = append(next.b[:0], b.b...)
		putBuffer(b)
		b = next
	}
	b.b = append(b.b, p...)
	return b
}
