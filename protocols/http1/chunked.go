package http1

import (
	"bytes"
	"errors"

	"casbah/internal/httphead"
)

// The limits of a chunked body, in octets.
const (
	maxExtension = 256  // behind the size of one chunk
	maxTrailer   = 8192 // trailer section with its line ends
	maxSizeLen   = 16   // hexadecimal digits of a chunk size
)

var (
	errChunkSize    = errors.New("http1: chunk size is malformed")
	errChunkEnd     = errors.New("http1: chunk does not end with CRLF")
	errExtension    = errors.New("http1: chunk extension is malformed or too long")
	errTrailer      = errors.New("http1: trailer is malformed or too long")
	errTrailerField = errors.New("http1: trailer holds a field of the head")
)

// chunkState is what a chunked body must go on with.
type chunkState uint8

const (
	chunkSize      chunkState = iota // first or further digit of a size
	chunkSpace                       // white space before the semicolon of an extension
	chunkExtension                   // extension up to CR
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart // first octet of a trailer line, or CR of the last empty line
	trailerName
	trailerValue
	trailerLF
	chunkedLF // LF of the last empty line
	chunkedDone
)

// chunked checks the framing of a chunked body while it streams (RFC 9112,
// Section 7.1). The octets are forwarded as they are, so it takes only what
// every server reads in the same way: no bare LF, no white space around a size,
// bounded extensions and trailers. The zero value begins a body.
type chunked struct {
	state  chunkState
	digits uint8
	name   uint8                  // octets of the trailer name in held
	held   [maxHeadFieldName]byte // a trailer name as far as it could be a field of the head
	extra  int                    // octets of this extension, or of the trailers
	left   uint64                 // octets of this chunk
}

// scan reads p and returns how many octets of it belong to the body. Done tells
// that the body ends there. After an error the body is lost.
func (c *chunked) scan(p []byte) (n int, done bool, err error) {
	for n < len(p) {
		if m := c.take(len(p) - n); m > 0 { // common case: many octets at a time
			n += m
			continue
		}
		if err := c.octet(p[n]); err != nil {
			return n, false, err
		}
		n++
		if c.state == chunkedDone {
			return n, true, nil
		}
	}
	return n, false, nil
}

// take takes up to n octets of data and returns how many; 0 where framing goes on.
func (c *chunked) take(n int) int {
	if c.state != chunkData {
		return 0
	}
	m := min(c.left, uint64(n))
	if c.left -= m; c.left == 0 {
		c.state = chunkDataCR
	}
	return int(m)
}

// octet takes one octet of the framing.
func (c *chunked) octet(b byte) error {
	switch c.state {
	case chunkSize:
		return c.size(b)
	case chunkSpace, chunkExtension:
		return c.extension(b)
	case chunkSizeLF:
		if b != '\n' {
			return errChunkSize
		}
		c.state, c.extra, c.digits = chunkData, 0, 0
		if c.left == 0 {
			c.state = trailerStart
		}
	case chunkDataCR:
		if b != '\r' {
			return errChunkEnd
		}
		c.state = chunkDataLF
	case chunkDataLF:
		if b != '\n' {
			return errChunkEnd
		}
		c.state = chunkSize
	default:
		return c.trailer(b)
	}
	return nil
}

// size takes one octet of a chunk size, or the first behind it.
func (c *chunked) size(b byte) error {
	if d := hexDigit(b); d >= 0 {
		if c.digits++; c.digits > maxSizeLen || c.left>>59 != 0 {
			return errChunkSize
		}
		c.left = c.left<<4 | uint64(d)
		return nil
	}
	switch {
	case c.digits == 0:
		return errChunkSize
	case b == '\r':
		c.state = chunkSizeLF
	case b == ';':
		c.state = chunkExtension
	case b == ' ' || b == '\t':
		c.state = chunkSpace
	default:
		return errChunkSize
	}
	return nil
}

// extension takes one octet behind a size. White space is taken only before a
// semicolon: a server that ends the size elsewhere would read another one.
func (c *chunked) extension(b byte) error {
	if c.extra++; c.extra > maxExtension {
		return errExtension
	}
	switch {
	case c.state == chunkSpace:
		if b == ';' {
			c.state = chunkExtension
		} else if b != ' ' && b != '\t' {
			return errExtension
		}
	case b == '\r':
		c.state = chunkSizeLF
	case isControl(b):
		return errExtension
	}
	return nil
}

// trailer takes one octet of the trailer section.
func (c *chunked) trailer(b byte) error {
	if c.extra++; c.extra > maxTrailer {
		return errTrailer
	}
	switch c.state {
	case trailerStart:
		c.name = 0
		if b == '\r' {
			c.state = chunkedLF
			return nil
		}
		c.state = trailerName
		return c.trailerName(b)
	case trailerName:
		return c.trailerName(b)
	case trailerValue:
		if b == '\r' {
			c.state = trailerLF
		} else if isControl(b) {
			return errTrailer
		}
	case trailerLF, chunkedLF:
		if b != '\n' {
			return errTrailer
		}
		if c.state == chunkedLF {
			c.state = chunkedDone
		} else {
			c.state = trailerStart
		}
	default: // the other states are not of the trailer section
	}
	return nil
}

// trailerName takes one octet of a trailer's name, or the colon behind it.
func (c *chunked) trailerName(b byte) error {
	if b == ':' {
		if c.name == 0 {
			return errTrailer
		}
		c.state = trailerValue
		if int(c.name) <= len(c.held) && headOnly(c.held[:c.name]) {
			return errTrailerField
		}
		return nil
	}
	if !isToken(b) {
		return errTrailer
	}
	if int(c.name) < len(c.held) {
		c.held[c.name] = b
	}
	c.name = min(c.name+1, maxHeadFieldName+1)
	return nil
}

// maxHeadFieldName is the length of the longest name that headOnly knows.
const maxHeadFieldName = 17

// headOnly reports whether a field means something to framing, routing or
// authentication, which is over when a trailer comes (RFC 9110, Section 6.5.1).
// A server that merged it would act on what casbah has not seen.
func headOnly(name []byte) bool {
	switch classify(name) {
	case other, expect:
		return httphead.EqualFold(name, "host") || httphead.EqualFold(name, "cookie")
	default:
		return true
	}
}

func isControl(b byte) bool { return b < 0x20 && b != '\t' || b == 0x7f }

func isToken(b byte) bool {
	return b > 0x20 && b < 0x7f && bytes.IndexByte(separators, b) < 0
}

var separators = []byte(`"(),/:;<=>?@[\]{}`)

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	default:
		return -1
	}
}
