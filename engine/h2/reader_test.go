package h2

import (
	"bufio"
	"io"
)

// pieces reads a request by reads of one size.
type pieces struct {
	q    *request
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.q.read(b[:min(len(b), p.size)]) }

func newReader(q *request, size int) *bufio.Reader {
	return bufio.NewReader(io.Reader(pieces{q, size}))
}
