package http1

import (
	"errors"

	"casbah/internal/httphead"
)

var (
	errLength    = errors.New("http1: Content-Length is malformed or repeated")
	errCoding    = errors.New("http1: Transfer-Encoding is not chunked alone")
	errBoth      = errors.New("http1: both Content-Length and Transfer-Encoding")
	errOldCoding = errors.New("http1: Transfer-Encoding in HTTP/1.0")
)

// framing gathers what the fields of a head say about where its body ends (RFC
// 9112, Section 6). It takes nothing that two parsers could read in two ways:
// the octets between the two readings would be a request that nobody routed.
type framing struct {
	length    int64
	hasLength bool
	chunked   bool
}

// contentLength takes the value of one Content-Length field. A second one is
// refused even if it is equal.
func (f *framing) contentLength(v []byte) error {
	n, ok := decimal(v)
	if !ok || f.hasLength {
		return errLength
	}
	f.length, f.hasLength = n, true
	return nil
}

// transferEncoding takes the value of one Transfer-Encoding field. Minor is the
// version of the head. No coding but chunked is known: one that a server
// undoes and casbah does not would hide where the body ends.
func (f *framing) transferEncoding(v []byte, minor byte) error {
	switch {
	case minor == 0:
		return errOldCoding
	case f.chunked || !httphead.EqualFold(v, "chunked"):
		return errCoding
	}
	f.chunked = true
	return nil
}

// check is called behind the last field.
func (f *framing) check() error {
	if f.chunked && f.hasLength {
		return errBoth
	}
	return nil
}

// decimal reads a number of octets: digits alone, below 2^63.
func decimal(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n), n < 1<<63
}
