package h2

import (
	"errors"
	"io"
	"net/http"
	"strconv"
)

// request is a request of HTTP/2, read as one of HTTP/1.1.
type request struct {
	body io.ReadCloser
	next []byte // is read before all else
	left int64  // octets of a body of known length; chunked: not known
	done bool   // next is the last
}

// chunked is the length of a body of which it is not known.
const chunked = -1

// malformed is what the core is shown in place of a head that cannot be one of
// HTTP/1.1: it answers and records it like any other that is not.
const malformed = "\x00\r\n\r\n"

// lastChunk ends a chunked body.
const lastChunk = "0\r\n\r\n"

// begin renders the head of r.
func (q *request) begin(r *http.Request) {
	q.body, q.left = r.Body, r.ContentLength
	var err error
	if q.next, err = render(nil, r); err != nil {
		q.next, q.left = []byte(malformed), 0
	}
	q.done = q.left == 0
}

// over reports whether nothing is left to be read.
func (q *request) over() bool { return q.done && len(q.next) == 0 }

// read yields the next octets of the request, then io.EOF.
func (q *request) read(p []byte) (int, error) {
	for {
		switch {
		case len(q.next) > 0:
			n := copy(p, q.next)
			q.next = q.next[n:]
			return n, nil
		case q.done:
			return 0, io.EOF
		case q.left != chunked:
			return q.known(p)
		}
		if n, err := q.chunk(p); n > 0 || err != nil {
			return n, err
		}
	}
}

// known reads a body of known length. Net/http sees to it that there is not more.
func (q *request) known(p []byte) (int, error) {
	n, err := q.body.Read(p[:min(int64(len(p)), q.left)])
	q.left -= int64(n)
	switch {
	case q.left == 0:
		q.done, err = true, nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// chunkHead is the room for the size of a chunk and its line end: the driver's
// buffers are smaller than 16 MiB.
const chunkHead = 6 + 2

// chunk reads what is there of a body of unknown length as one chunk.
func (q *request) chunk(p []byte) (int, error) {
	if len(p) <= chunkHead+2 {
		var all [64]byte // of which nothing is lost
		n, err := q.chunk(all[:])
		q.next = append(all[:n:n], q.next...)
		return 0, err
	}
	n, err := q.body.Read(p[chunkHead : len(p)-2])
	if errors.Is(err, io.EOF) {
		q.next, q.done, err = []byte(lastChunk), true, nil
	}
	if n == 0 {
		return 0, err
	}
	size := len(strconv.AppendUint(p[:0], uint64(n), 16))
	p[size], p[size+1] = '\r', '\n'
	end := size + 2 + copy(p[size+2:], p[chunkHead:chunkHead+n])
	p[end], p[end+1] = '\r', '\n'
	return end + 2, err
}

// stop ends a read of the body, and all later ones.
func (q *request) stop() { _ = q.body.Close() }
